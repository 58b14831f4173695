"""The base of every dialog, and the menu: a choice by letter."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from titan_console.text.safe_text import cells, clean, pad

Result = TypeVar("Result")


class DialogDrawn(Message):
    """It is drawn with the focus on its first field: the keys typed since it was asked for come."""

    def __init__(self, dialog: Screen[Any]) -> None:
        """`dialog` is the sender."""
        super().__init__()
        self.dialog = dialog


class Dialog(ModalScreen[Result]):
    """Closes once, even if several keys or clicks arrive before it is gone.

    A second dismissal would close the page behind.
    """

    def on_screen_resume(self) -> None:
        """After the focus is set, which is queued before."""
        self.call_later(self.post_message, DialogDrawn(self))

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close with this result."""
        return super().dismiss(result) if self.is_current else AwaitComplete.nothing()


class Entry(Struct, frozen=True):
    """An entry with its letter; `detail` is an example or a value."""

    letter: str
    label: str
    detail: str = ""


class Menu(Dialog[str | None]):
    """Returns the chosen letter, or None."""

    CSS = """
    Menu {
        align: center middle; background: $background 60%;
        #menu {
            width: 60; max-width: 96%; height: auto; max-height: 94%; padding: 1 2;
            background: $panel; border: round $primary 60%; border-title-color: $primary;
            scrollbar-size-vertical: 1;
        }
        _Line { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        _Line.-cursor { text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "dismiss", "Back", id="menu.back"),
    ]

    def __init__(self, title: str, entries: Sequence[Entry], *, start: int = 0) -> None:
        """`entries` from top to bottom; the one at `start` is highlighted at first."""
        super().__init__()
        self._title = title
        self._entries = entries
        self._cursor = start

    def compose(self) -> ComposeResult:
        """One line for each entry."""
        with VerticalScroll(id="menu", can_focus=False) as box:
            box.border_title = f" {self._title} "
            width = max(
                (cells(clean(entry.label)) for entry in self._entries if entry.detail), default=0
            )
            for entry in self._entries:
                yield _Line(entry, width)

    def on_key(self, event: Key) -> None:
        """A letter chooses its entry, and Enter the highlighted one."""
        if event.key in ("up", "down"):
            event.stop()
            self._move(1 if event.key == "down" else -1)
        elif event.key == "enter" and self._entries:
            event.stop()
            self.dismiss(self._entries[self._cursor].letter)
        for entry in self._entries:
            if event.character == entry.letter:
                event.stop()
                self.dismiss(entry.letter)

    def on_mount(self) -> None:
        """Highlight the entry to start at."""
        self._move(0)

    def _move(self, lines: int) -> None:
        if not self._entries:
            return
        self._cursor = (self._cursor + lines) % len(self._entries)
        for number, line in enumerate(self.query(_Line)):
            line.set_class(number == self._cursor, "-cursor")
            if number == self._cursor:
                line.scroll_visible(animate=False)

    def on__line_chosen(self, message: "_Line.Chosen") -> None:
        """A click chooses too."""
        self.dismiss(message.letter)


class _Line(Static):
    class Chosen(Message):
        def __init__(self, letter: str) -> None:
            super().__init__()
            self.letter = letter

    def __init__(self, entry: Entry, width: int) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        label = pad(entry.label, width) if entry.detail else clean(entry.label)
        text.append(f"{entry.letter}  ", "bold").append(label)
        text.append(f"  {clean(entry.detail, 60)}" if entry.detail else "", "dim")
        super().__init__(text)
        self._letter = entry.letter

    def on_click(self) -> None:
        self.post_message(self.Chosen(self._letter))
