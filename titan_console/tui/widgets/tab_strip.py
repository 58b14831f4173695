"""Tabs in one line: the numbered screens, and the sections of a record's page."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from titan_console.text.format import Tone
from titan_console.text.links import Tab
from titan_console.text.safe_text import cells
from titan_console.tui.theme import tones_of

# In place of tabs without room.
_MORE = "…"


class TabStrip(Widget):
    """One line with a tab for each screen."""

    DEFAULT_CSS = "TabStrip { height: 1; padding: 0 1; }"
    GAP: ClassVar[int] = 2

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
        """The tabs, the current one bold."""
        styles = tones_of(self)
        made = Text(no_wrap=True, end="")
        shown, begins = self._placed()
        for number, begin in zip(shown, begins, strict=True):
            tab = self.tabs[number]
            is_here = tab.mode == self.current
            before = _MORE if begin and not made else ""
            made.append(before.ljust(begin - made.cell_len), styles[Tone.DIM])
            made.append(_digit(tab), styles[Tone.DIM])
            made.append(tab.name, f"bold {styles[Tone.BUSY]}" if is_here else "")
        if shown.stop < len(self.tabs):
            made.append(f" {_MORE}", styles[Tone.DIM])
        return made

    def on_click(self, event: Click) -> None:
        """Go to the screen under the mouse."""
        for number, begin in zip(*self._placed(), strict=True):
            # Without the padding.
            if begin <= event.x - 1 < begin + _width(self.tabs[number]) + 1:
                self.post_message(self.Chosen(self.tabs[number].mode))

    def _placed(self) -> tuple[range, list[int]]:
        """The numbers of the tabs that are shown, and the column at which each begins."""
        names = [tab.mode for tab in self.tabs]
        here = names.index(self.current) if self.current in names else 0
        return place([_width(tab) for tab in self.tabs], here, self.content_size.width, self.GAP)


def place(widths: Sequence[int], here: int, room: int, gap: int) -> tuple[range, list[int]]:
    """Which tabs of these widths are shown, and where each begins.

    All of them, closer to each other where they must; else those around `here` that fit, with room
    for an ellipsis at an end with more.
    """
    everything = range(len(widths))
    while gap > 1 and sum(widths) + gap * (len(widths) - 1) > room:
        gap -= 1

    def needed(shown: range) -> int:
        ends = (shown.start > 0) + (shown.stop < len(widths))
        return sum(widths[number] + gap for number in shown) - gap + 2 * ends

    shown = everything
    if needed(everything) > room:
        starts = (first for first in range(here) if needed(range(first, here + 1)) <= room)
        first = next(starts, here)
        stops = range(here + 1, len(widths) + 1)
        stop = max((one for one in stops if needed(range(first, one)) <= room), default=here + 1)
        shown = range(first, stop)
    before = 2 if shown.start else 0
    sizes = [widths[number] + gap for number in shown]
    return shown, [before + sum(sizes[:index]) for index in range(len(sizes))]


def _digit(tab: Tab) -> str:
    return f"{tab.digit} " if tab.digit else ""


def _width(tab: Tab) -> int:
    return cells(_digit(tab)) + cells(tab.name)


class SectionStrip(TabStrip):
    """One line with a tab for each section; keys move along it."""

    DEFAULT_CSS = "SectionStrip { height: 1; padding: 0 1; }"
    GAP: ClassVar[int] = 3

    class Chosen(TabStrip.Chosen):
        """A section was clicked; `mode` is its name."""

    def __init__(self, sections: Sequence[str], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Start on the first section."""
        super().__init__([Tab("", word, word) for word in sections], id=id)
        self.start_on(sections[0] if sections else "")

    def start_on(self, section: str) -> None:
        """Show that section first; before it is mounted."""
        self.set_reactive(SectionStrip.current, section)

    def move(self, step: int) -> None:
        """Move right or left, wrapping around."""
        names = [tab.name for tab in self.tabs]
        at = names.index(self.current) if self.current in names else 0
        self.current = names[(at + step) % len(names)]
