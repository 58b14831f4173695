"""A titled list, with a note while it is empty."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from titan_console.text.safe_text import clean
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Column, Row

_CLOSED = " · Tab opens it"


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

    def __init__(
        self,
        note: str,
        columns: Sequence[Column],
        *,
        id: str,  # noqa: A002 - Textual's own word
        table: RecordTable | None = None,
    ) -> None:
        """`note` is shown while the list is empty; `table` may be one that fills itself."""
        super().__init__(id=id, classes="-empty")
        self._note = self._note_shown = note
        self._title = ""
        self.table = table or RecordTable(columns, id=f"{id}-table")

    def compose(self) -> ComposeResult:
        """The note and the table."""
        yield Static(self._note, classes="note", markup=False)
        yield self.table

    def show(self, rows: Sequence[Row], title: str, note: str = "") -> None:
        """Show these rows under that title; an empty list may have another `note`."""
        self.head(title, is_empty=not rows, note=note)
        self.table.show(rows)

    def head(self, title: str, *, is_empty: bool, note: str = "") -> None:
        """Show that title, and the note of an empty list."""
        note = note or self._note
        if note != self._note_shown:
            self._note_shown = note
            self.query_one(".note", Static).update(note)
        self.set_class(is_empty, "-empty")
        self.table.show_header = not is_empty
        self._title = title
        self._show_title()

    def on_resize(self) -> None:
        """It was opened or closed."""
        self._show_title()

    def _show_title(self) -> None:
        """A list that a small terminal closes says how it is opened."""
        is_closed = self.size.height < 1 and bool(self._title)
        content = Content(f" {clean(self._title)}{_CLOSED if is_closed else ''} ")
        if content != self.border_title:
            self.border_title = content
