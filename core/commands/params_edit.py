"""The parameters of failed requests as a text to edit, and what the edited text changes.

One text stands for all requests of a replay: it has the parameters that are equal in all of them.
Only the parameters that the operator changes are merged into each request.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

from msgspec import Struct

from core.batches.engine_context import Context
from core.commands.body_edits import Params, check_name, params_of
from core.errors import PayloadError
from core.requests.payload import CUSTOM_ID
from core.text import pluralize
from state.files.spool import LineReader
from state.model.id_list import IdList
from state.operations import selection
from state.operations.selection import Filter

# Of a large group, the text is made from so many.
_MOST_READ = 100
_SAMPLES = 3
_COMMENT = "#"


class EditableParams(Struct, frozen=True):
    """What the requests of a replay have in common.

    `params` are the parameters equal in all of them, `differing` the names of the others, `count`
    the number of requests, `first_id` the custom_id of the first one.
    """

    params: Params
    differing: tuple[str, ...]
    count: int
    first_id: str = ""


class EditSample(Struct, frozen=True):
    """The changed parameters of one request, before and after."""

    custom_id: str
    before: Params
    after: Params


def read(context: Context, ids: IdList) -> EditableParams:
    """The common parameters. Raises PayloadError where a body is not known, FileMissing."""
    found = _bodies(context, ids, _MOST_READ)
    (first_id, shared), *others = found
    names = dict.fromkeys(name for _, params in found for name in params)
    differing = tuple(
        name for name in names if any(not _is_same(params, shared, name) for _, params in others)
    )
    common = {name: value for name, value in shared.items() if name not in differing}
    return EditableParams(common, differing, len(ids), first_id)


def samples(context: Context, ids: IdList, changes: Mapping[str, object]) -> tuple[EditSample, ...]:
    """What the changes do to the first three requests."""
    return tuple(
        EditSample(
            custom_id,
            {name: params[name] for name in changes if name in params},
            {name: value for name, value in changes.items() if value is not None},
        )
        for custom_id, params in _bodies(context, ids, _SAMPLES)
    )


def to_text(editable: EditableParams) -> str:
    """The text to edit: JSON, with comments above and below it.

    An editor reads its own settings from the first and last five lines of a file: these are
    comments, so that no request can set any.
    """
    body = json.dumps(editable.params, indent=2, ensure_ascii=False)
    above, below = "".join(map(_comment, _above(editable))), "".join(map(_comment, _BELOW))
    return f"{above}{body}\n{below}"


def _above(editable: EditableParams) -> Sequence[str]:
    source = f", read from the first {_MOST_READ}" if editable.count > _MOST_READ else ""
    same = "all of its parameters" if editable.count == 1 else "equal in all of these requests"
    differing = ", ".join(editable.differing)
    of = pluralize(editable.count, "request")
    # Any other text could have settings for the editor in it.
    if editable.count == 1 and CUSTOM_ID.fullmatch(editable.first_id):
        of = editable.first_id
    return (
        f"Parameters of {of}, as JSON{source}.",
        "Only what you change is merged into each request.",
        "A parameter that you add is sent too; a parameter you remove is no longer sent.",
        f"Different in each request, and kept unless you set it here: {differing}."
        if differing
        else f"These are {same}.",
        "Lines that begin with # are ignored.",
    )


_BELOW = (
    "Save and leave the editor to continue.",
    "The change is validated like a submission.",
    "It is shown with its cost before anything is replayed.",
    "Leave the text unchanged, or empty, to replay nothing.",
    "This file is private, and deleted afterwards.",
)


def _comment(line: str) -> str:
    return f"{_COMMENT} {line}\n"


def changes_in(editable: EditableParams, text: str) -> Params:
    """The parameters that the text changes; None for one that it removes. Raises PayloadError."""
    edited = _parsed(text)
    changes: Params = {
        name: value for name, value in edited.items() if not _is_same(edited, editable.params, name)
    }
    for name in changes:
        if name not in editable.params:
            check_name(name)
    removed = (name for name in editable.params if name not in edited)
    return changes | dict.fromkeys(removed)


def is_untouched(editable: EditableParams, text: str) -> bool:
    """Whether the text changes nothing: it is the original, or empty."""
    lines = [line for line in text.splitlines() if not line.startswith(_COMMENT)]
    if not "".join(lines).strip():
        return True
    try:
        return not changes_in(editable, text)
    except PayloadError:
        return False


def _is_same(one: Params, other: Params, name: str) -> bool:
    """Compared as JSON: in Python, 1 and true are equal."""
    if name not in one or name not in other:
        return False
    return json.dumps(one[name]) == json.dumps(other[name])


def _bodies(context: Context, ids: IdList, most: int) -> list[tuple[str, Params]]:
    first = IdList.of(islice(ids, most))
    found = selection.requests(context.ledger, Filter(request_ids=first))
    with LineReader(context.folder.spool, context.ledger.files) as lines:
        return [(request.custom_id, params_of(context, lines, request)) for request in found]


def _parsed(text: str) -> Params:
    lines = text.split("\n")
    # A comment keeps its line, so that errors name the right one.
    plain = "\n".join("" if line.startswith(_COMMENT) else line for line in lines)
    try:
        found = json.loads(plain, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise _invalid(f"line {error.lineno:,}, column {error.colno:,}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _invalid(str(error) or "too deeply nested") from None
    if not isinstance(found, dict):
        raise _invalid("it must be one JSON object, {...}")
    return found  # pyright: ignore[reportUnknownVariableType] - JSON


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> Params:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _invalid(reason: str) -> PayloadError:
    return PayloadError(f"Invalid parameters: {reason}.", code="invalid_edit")
