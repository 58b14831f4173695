"""The tabs of a page about one record."""

from collections.abc import Sequence

from titan_console.text.tabs import Tab
from titan_console.tui.widgets.tab_strip import TabStrip


class SectionStrip(TabStrip):
    """One line with a tab for each section; keys move along it."""

    DEFAULT_CSS = "SectionStrip { height: 1; padding: 0 1; }"

    class Chosen(TabStrip.Chosen):
        """A section was clicked; `mode` is its word."""

    def __init__(self, sections: Sequence[str], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Begin on the first of the sections."""
        super().__init__([Tab("", word, word) for word in sections], id=id)
        self.set_reactive(SectionStrip.current, sections[0] if sections else "")

    def move(self, step: int) -> None:
        """To the right or to the left, around the ends."""
        words = [tab.word for tab in self.tabs]
        at = words.index(self.current) if self.current in words else 0
        self.current = words[(at + step) % len(words)]
