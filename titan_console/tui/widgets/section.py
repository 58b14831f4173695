"""A titled list, with a note while it is empty."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from titan_console.text.safe_text import clean
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Column, Row


class Section(Vertical):
    """A table under a title line."""

    DEFAULT_CSS = """
    Section {
        height: 1fr; border-top: solid $secondary 55%; border-title-color: $secondary;
        border-title-style: none; border-subtitle-color: $secondary;
        border-title-background: $background;
        & > .note { display: none; padding: 0 1; color: $secondary; height: auto; }
        &.-empty > .note { display: block; }
        &:focus-within {
            border-top: solid $primary 70%; border-title-color: $primary; border-title-style: bold;
        }
    }
    """

    def __init__(self, note: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """`note` is shown while the list is empty."""
        super().__init__(id=id, classes="-empty")
        self._note = self._note_shown = note
        self.table = RecordTable(columns, id=f"{id}-table")

    def compose(self) -> ComposeResult:
        """The note and the table."""
        yield Static(self._note, classes="note", markup=False)
        yield self.table

    def show(self, rows: Sequence[Row], title: str, note: str = "") -> None:
        """Show these rows under that title; an empty list may have another `note`."""
        note = note or self._note
        if note != self._note_shown:
            self._note_shown = note
            self.query_one(".note", Static).update(note)
        self.set_class(not rows, "-empty")
        self.table.show_header = bool(rows)
        content = Content(f" {clean(title)} ")
        if content != self.border_title:
            self.border_title = content
        self.table.show(rows)
