"""Tabs in one line: the numbered screens, and the sections of a record's page."""

from collections.abc import Sequence

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from titan_console.text.format import Tone
from titan_console.text.links import Tab
from titan_console.text.safe_text import cells
from titan_console.tui.theme import tones_of


class TabStrip(Widget):
    """One line with a tab for each screen."""

    DEFAULT_CSS = "TabStrip { height: 1; padding: 0 1; }"

    current: reactive[str] = reactive("")

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, mode: str) -> None:
            """`mode` is the mode of the screen."""
            super().__init__()
            self.mode = mode

    def __init__(self, tabs: Sequence[Tab], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """`tabs` from left to right."""
        super().__init__(id=id)
        self.tabs = tabs

    def render(self) -> Text:
        """The tabs, the current one reversed."""
        styles = tones_of(self)
        made = Text(no_wrap=True, end="")
        for tab in self.tabs:
            is_here = tab.mode == self.current
            made.append(f"{tab.digit} ", styles[Tone.DIM])
            made.append(tab.name, f"bold {styles[Tone.BUSY]}" if is_here else "")
            made.append("  ")
        return made

    def on_click(self, event: Click) -> None:
        """Go to the screen under the mouse."""
        begin = 1
        for tab in self.tabs:
            end = begin + cells(tab.digit) + cells(tab.name) + 3
            if begin <= event.x < end:
                self.post_message(self.Chosen(tab.mode))
                return
            begin = end


class SectionStrip(TabStrip):
    """One line with a tab for each section; keys move along it."""

    DEFAULT_CSS = "SectionStrip { height: 1; padding: 0 1; }"

    class Chosen(TabStrip.Chosen):
        """A section was clicked; `mode` is its name."""

    def __init__(self, sections: Sequence[str], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Start on the first section."""
        super().__init__([Tab("", word, word) for word in sections], id=id)
        self.set_reactive(SectionStrip.current, sections[0] if sections else "")

    def move(self, step: int) -> None:
        """Move right or left, wrapping around."""
        names = [tab.name for tab in self.tabs]
        at = names.index(self.current) if self.current in names else 0
        self.current = names[(at + step) % len(names)]
