"""Filters of everything that is drawn: no control characters, and ASCII only where wanted."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from titan_console.text.safe_text import cells, clean


class ControlFilter(LineFilter):
    """Replaces control characters that a widget did not clean."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, fit for a terminal."""
        del background
        return [
            segment
            if segment.control or segment.text.isprintable()
            else Segment(clean(segment.text), segment.style, segment.control)
            for segment in segments
        ]


_GLYPHS = dict(
    zip(
        "✓✗▸▾▽▲▼●•◦‼⊗↻⇠⇡⇅✎…≈·≥≤→←↑↓–—’“”",  # noqa: RUF001 - as they are met
        '+x>vv^v**o!x@<^se~~-><><^v--\'""',
        strict=True,
    )
)
_LEVEL, _UPRIGHT = frozenset("─━┄┅┈┉╌╍═╴╶"), frozenset("│┃┆┇┊┋╎╏║╵╷")
_BOXES, _LOW_BLOCKS = range(0x2500, 0x2580), range(0x2581, 0x2584)
_BLOCKS, _DOTS = range(0x2580, 0x25A0), range(0x2800, 0x2900)


class AsciiFilter(LineFilter):
    """Draws lines and glyphs in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, in ASCII."""
        del background
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(in_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def in_ascii(text: str) -> str:
    """The text with each non-ASCII character replaced by ASCII of the same width.

    >>> in_ascii("✓ done ── 東")
    '+ done -- ??'
    """
    return "".join(map(_stand_in, text))


def _stand_in(character: str) -> str:
    code = ord(character)
    if character.isascii():
        return character
    if character in _GLYPHS:
        return _GLYPHS[character]
    if code in _BOXES:
        return "-" if character in _LEVEL else "|" if character in _UPRIGHT else "+"
    if code in _BLOCKS:
        return "_" if code in _LOW_BLOCKS else "#"
    return "." if code in _DOTS else "?" * cells(character)
