"""What is ordered and what came of it: no line at all on most days, at most three."""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from titan_console.text.lines import Part
from titan_console.text.safe_text import clean
from titan_console.tui.theme import tones_of


class OrderLines(Static):
    """A long line goes on in the next."""

    DEFAULT_CSS = """
    OrderLines { height: auto; max-height: 3; padding: 0 1; display: none; background: $panel; }
    OrderLines.-shown { display: block; }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Nothing is ordered yet."""
        super().__init__(id=id, markup=False)
        self._lines: Sequence[Sequence[Part]] = ()

    def show(self, lines: Sequence[Sequence[Part]]) -> None:
        """These, from now on."""
        if lines == self._lines:
            return
        self._lines = lines
        self.set_class(bool(lines), "-shown")
        styles = tones_of(self)
        made = Text(end="")
        for number, parts in enumerate(lines):
            made.append("\n" if number else "")
            for part in parts:
                weight = "bold " if part.strong else ""
                made.append(clean(part.text), f"{weight}{styles[part.tone]}")
        self.update(made)
