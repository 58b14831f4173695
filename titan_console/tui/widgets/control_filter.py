"""The net under every widget: no control character of a text reaches the terminal."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from titan_console.text.safe_text import clean


class ControlFilter(LineFilter):
    """Puts visible stand-ins where a widget forgot to."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, fit for a terminal."""
        del background
        return [
            segment
            if segment.control or segment.text.isprintable()
            else Segment(clean(segment.text), segment.style, segment.control)
            for segment in segments
        ]
