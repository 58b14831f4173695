"""What an edit changes in requests, as short lines for the preview. Pure."""

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from core.text import pluralize
from titan_console.text.format import Tone
from titan_console.text.preview_text import Fact

if TYPE_CHECKING:
    from core.commands.params_edit import EditSample

_MOST_LINES = 4
# Of a long value, the part around the first difference.
_EXCERPT = 40
_BEFORE = 12
_ABSENT = object()


def facts(samples: "Sequence[EditSample]", count: int) -> list[Fact]:
    """The changes in each sample of `count` requests, by the path of the value."""
    found = [fact for sample in samples for fact in _of_sample(sample)]
    if found and count > len(samples):
        found.append(
            Fact("change", f"… {pluralize(count - len(samples), 'more request')}", Tone.DIM)
        )
    return found


def _of_sample(sample: "EditSample") -> Iterator[Fact]:
    found = list(_changes("", sample.before, sample.after))
    for path, before, after in found[:_MOST_LINES]:
        yield Fact("change", f"{sample.custom_id}  {path}: {_shown(before, after)}", Tone.BUSY)
    if len(found) > _MOST_LINES:
        more = pluralize(len(found) - _MOST_LINES, "more change")
        yield Fact("change", f"{sample.custom_id}  {more}", Tone.DIM)


def _changes(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - JSON
    """Each value that differs, by its path; lists of another length differ as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        left, right = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        for name in dict.fromkeys((*left, *right)):
            inner = f"{path}.{name}" if path else name
            yield from _changes(inner, left.get(name, _ABSENT), right.get(name, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):  # pyright: ignore[reportUnknownArgumentType]
        pairs = zip(cast("list[Any]", before), cast("list[Any]", after), strict=True)
        for number, (left, right) in enumerate(pairs):
            yield from _changes(f"{path}[{number}]", left, right)
    elif _json(cast("object", before)) != _json(cast("object", after)):
        yield path, before, after


def _shown(before: object, after: object) -> str:
    if before is _ABSENT:
        return f"{_excerpt(_json(after), 0)} (added)"
    if after is _ABSENT:
        return f"{_excerpt(_json(before), 0)} (removed)"
    left, right = _json(before), _json(after)
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    )
    return f"{_excerpt(left, same)} → {_excerpt(right, same)}"


def _excerpt(text: str, same: int) -> str:
    """The text around that position."""
    begin = max(0, same - _BEFORE) if len(text) > _EXCERPT else 0
    part = text[begin : begin + _EXCERPT]
    return f"{'…' if begin else ''}{part}{'…' if begin + _EXCERPT < len(text) else ''}"


def _json(value: object) -> str:
    return "" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
