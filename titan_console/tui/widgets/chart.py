"""A chart that a painter draws for the available size."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.widget import Widget

from titan_console.text.lines import Part
from titan_console.text.safe_text import clean
from titan_console.tui.theme import tones_of

Painter = Callable[[int, int], Sequence[Sequence[Part]]]


def _nothing(_width: int, _height: int) -> Sequence[Sequence[Part]]:
    return ()


class Chart(Widget):
    """Shows the lines that its painter returns for a width and a height."""

    DEFAULT_CSS = """
    Chart {
        height: 1fr; padding: 0 1; border-top: solid $secondary 55%;
        border-title-color: $secondary; border-title-style: none;
        border-title-background: $background;
    }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Empty."""
        super().__init__(id=id)
        self._painter: Painter = _nothing

    def show(self, title: str, painter: Painter) -> None:
        """Draw with this painter under that title; another one often draws the same."""
        size = self.content_size
        before, self._painter = self._painter, painter
        if title != self.border_title:
            self.border_title = title
        if before(*size) != painter(*size):
            self.refresh()

    def render(self) -> Text:
        """The lines, cut to the width."""
        styles = tones_of(self)
        size = self.content_size
        made = Text(no_wrap=True, end="")
        for number, line in enumerate(self._painter(size.width, size.height)[: size.height]):
            made.append("\n" if number else "")
            room = size.width
            for part in line:
                shown = clean(part.text, room)
                style = f"bold {styles[part.tone]}" if part.strong else styles[part.tone]
                made.append(shown, style=style)
                room -= len(shown)
        return made
