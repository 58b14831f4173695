"""Documents: lines with tones, wrapped to a width and searched. Pure, fast at 10 MB."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct, field

from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.safe_text import cells

_LABEL = 16
_MOST_MATCHES = 10_000
# Of an indented row.
_LEAST_ROOM = 16
# Characters that may take two cells; other lines are wrapped by character count.
_MAYBE_WIDE = re.compile(
    "[\u1100-\u11ff\u2300-\u2bff\u2e80-\ud7ff\uf900-\ufaff\ufe10-\uffef\U00010000-\U0010ffff]"
)
Span = tuple[int, int, Tone, bool]


class Document(Struct, frozen=True):
    """Lines, with the spans of characters that have a tone.

    `hangs`: by line, how far its wrapped rest is indented.
    """

    lines: Sequence[str]
    spans: Mapping[int, Sequence[Span]] = field(default_factory=dict[int, Sequence[Span]])
    hangs: Mapping[int, int] = field(default_factory=dict[int, int])

    def text(self) -> str:
        """The whole text."""
        return "\n".join(self.lines)


class DocumentBuilder:
    """Builds a document line by line."""

    def __init__(self) -> None:
        """Empty."""
        self._lines: list[str] = []
        self._spans: dict[int, Sequence[Span]] = {}
        self._hangs: dict[int, int] = {}

    def line(self, *parts: Part, hang: int = 0) -> None:
        """One line of parts; a newline in one of them does not break it.

        What does not fit continues on the next row, indented by `hang`.
        """
        if hang:
            self._hangs[len(self._lines)] = hang
        spans: list[Span] = []
        begin = 0
        for part in parts:
            end = begin + len(part.text)
            if part.tone != Tone.PLAIN or part.strong:
                spans.append((begin, end, part.tone, part.strong))
            begin = end
        if spans:
            self._spans[len(self._lines)] = spans
        self._lines.append("".join(part.text for part in parts))

    def heading(self, text: str) -> None:
        """A heading, with a blank line before it."""
        if self._lines:
            self.line()
        self.line(Part(text, Tone.BUSY, strong=True))

    def field(self, label: str, value: str | None, tone: Tone = Tone.PLAIN) -> None:
        """A label and its value; nothing where there is no value."""
        if value:
            self.line(Part(f"{label:<{_LABEL}}", Tone.DIM), Part(value, tone), hang=_LABEL)

    def text(self, text: str) -> None:
        """Lines as they are."""
        self._lines.extend(lines_of(text))

    def build(self) -> Document:
        """The document."""
        return Document(self._lines, self._spans, self._hangs)


def lines_of(text: str) -> list[str]:
    """The lines of a text. Only a newline ends one: model output may contain U+2028."""
    return text.replace("\r\n", "\n").split("\n")


def pretty(line: bytes) -> str:
    """Indented JSON; other text unchanged."""
    with suppress(msgspec.DecodeError, RecursionError):
        line = msgspec.json.format(line, indent=2)
    return line.decode("utf-8", "replace")


class Match(Struct, frozen=True):
    """The position of a match."""

    line: int
    begin: int
    end: int


def within(matches: Sequence[Match], line: int, begin: int, end: int) -> Iterator[int]:
    """The numbers of the matches within that span of the line."""
    number = bisect_right(matches, (line, begin), key=lambda match: (match.line, match.end))
    while number < len(matches):
        match = matches[number]
        if match.line != line or match.begin >= end:
            return
        yield number
        number += 1


def search(document: Document, wanted: str) -> list[Match]:
    """All matches, ignoring case; at most ten thousand."""
    pattern = re.compile(re.escape(wanted), re.IGNORECASE)
    found: list[Match] = []
    for number, line in enumerate(document.lines):
        for match in pattern.finditer(line):
            found.append(Match(number, *match.span()))
            if len(found) == _MOST_MATCHES:
                return found
    return found


class WrappedDocument(Struct, frozen=True):
    """A document wrapped to a width: for each row, its line and its span."""

    document: Document
    width: int
    line_of: Sequence[int]
    begins: Sequence[int]

    def row(self, number: int) -> tuple[int, int, int]:
        """The line number, and the start and end of the row in it."""
        line = self.line_of[number]
        following = number + 1
        is_last = following == len(self.line_of) or self.line_of[following] != line
        end = len(self.document.lines[line]) if is_last else self.begins[following]
        return line, self.begins[number], end

    def indent(self, number: int) -> int:
        """How far that row is indented."""
        return _hang(self.document, self.line_of[number], self.width) if self.begins[number] else 0

    def row_at(self, line: int, column: int) -> int:
        """The row that contains that character."""
        first = bisect_left(self.line_of, line)
        last = bisect_right(self.line_of, line)
        return max(first, bisect_right(self.begins, column, first, last) - 1)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.line_of)


def _hang(document: Document, line: int, width: int) -> int:
    """The indent of the rest of a line; none where it would leave too little room."""
    hang = document.hangs.get(line, 0)
    return hang if width - hang >= _LEAST_ROOM else 0


def wrap(document: Document, width: int) -> WrappedDocument:
    """Wrap each line at spaces where possible."""
    line_of, begins = array("q"), array("q")
    width = max(2, width)
    for number, line in enumerate(document.lines):
        if len(line) <= width and (line.isascii() or cells(line) <= width):
            line_of.append(number)
            begins.append(0)
            continue
        # Not exact for mixed widths: those rows are shorter than necessary.
        share = 2 if _MAYBE_WIDE.search(line) else 1
        room, rest = width // share, (width - _hang(document, number, width)) // share
        begin = 0
        while True:
            line_of.append(number)
            begins.append(begin)
            if len(line) - begin <= room:
                break
            space = line.rfind(" ", begin + room // 2, begin + room)
            begin = space + 1 if space >= 0 else begin + room
            room = rest
    return WrappedDocument(document, width, line_of, begins)
