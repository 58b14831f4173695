"""Compares two texts line by line. Pure; not for the drawing thread."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from titan_console.text.document import Document, DocumentBuilder, lines_of
from titan_console.text.format import Tone
from titan_console.text.lines import Part

_AROUND = 3
# Matching is quadratic in the worst case; longer middles are shown as replaced.
_MOST_MATCHED = 4000


def difference(left: str, right: str, left_name: str, right_name: str) -> Document:
    """A unified comparison with three equal lines around each change."""
    builder = DocumentBuilder()
    builder.line(Part(f"- {left_name}", Tone.BAD))
    builder.line(Part(f"+ {right_name}", Tone.GOOD))
    builder.line()
    if left == right:
        builder.text("No differences.")
        return builder.build()
    before, after = lines_of(left), lines_of(right)
    changes = _changes(before, after)
    for number, (kind, first, last, begin, end) in enumerate(changes):
        if kind == "equal":
            _equal(
                builder, before[first:last], is_first=not number, is_last=number + 1 == len(changes)
            )
            continue
        for line in before[first:last]:
            builder.line(Part(f"- {line}", Tone.BAD))
        for line in after[begin:end]:
            builder.line(Part(f"+ {line}", Tone.GOOD))
    return builder.build()


def _equal(
    builder: DocumentBuilder, lines: Sequence[str], *, is_first: bool, is_last: bool
) -> None:
    head = 0 if is_first else _AROUND
    tail = 0 if is_last else _AROUND
    left_out = len(lines) - head - tail
    if left_out <= 1:
        head, tail, left_out = len(lines), 0, 0
    for line in lines[:head]:
        builder.line(Part(f"  {line}"))
    if left_out:
        builder.line(Part(f"  ... {left_out:,} equal lines", Tone.DIM))
    for line in lines[len(lines) - tail :]:
        builder.line(Part(f"  {line}"))


def _changes(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """The opcodes of difflib; the common start and end are found without it."""
    shorter = min(len(before), len(after))
    head = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    middle = before[head : len(before) - tail], after[head : len(after) - tail]
    found = [("equal", 0, head, 0, head)] if head else []
    if max(map(len, middle)) > _MOST_MATCHED:
        found.append(("replace", head, len(before) - tail, head, len(after) - tail))
    else:
        found += [
            (kind, first + head, last + head, begin + head, end + head)
            for kind, first, last, begin, end in SequenceMatcher(
                None, *middle, autojunk=False
            ).get_opcodes()
        ]
    if tail:
        found.append(("equal", len(before) - tail, len(before), len(after) - tail, len(after)))
    return found
