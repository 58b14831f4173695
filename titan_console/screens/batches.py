"""The first screen: open batches, what ended last, the latest errors."""

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from titan_console.format import Tone
from titan_console.screens import bars, rows
from titan_console.screens.page import Page
from titan_console.view import View
from titan_console.widgets.lines import Part
from titan_console.widgets.record_table import RecordTable
from titan_console.widgets.section import Section


class BatchesScreen(Page):
    """Drawn from the picture that the feed brings."""

    WORD = "Batches"
    CSS = """
    BatchesScreen {
        #open { height: 5fr; }
        #recent { height: 3fr; }
        #errors { height: 3fr; }
        #open.-empty, #recent.-empty, #errors.-empty { height: 3; }
    }
    BatchesScreen.-flat {
        #open, #recent, #errors { height: 1; }
        #open.-empty, #recent.-empty, #errors.-empty { height: 1; }
        #open:focus-within, #recent:focus-within, #errors:focus-within { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._open = Section(
            "Nothing is open. To open a batch: titan-console submit FILE",
            rows.OPEN_COLUMNS,
            id="open",
        )
        self._recent = Section("No batch has ended yet.", rows.RECENT_COLUMNS, id="recent")
        self._errors = Section("No errors: all is well.", rows.ERROR_COLUMNS, id="errors")

    def content(self) -> ComposeResult:
        """Three lists, one above the other."""
        with Vertical(classes="content"):
            yield self._open
            yield self._recent
            yield self._errors

    def on_mount(self) -> None:
        """Begin on the open batches."""
        self._open.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the three lists."""
        snapshot = self.view.snapshot
        if snapshot is None:
            return
        self._open.show(rows.open_rows(snapshot, now), bars.open_title(snapshot))
        self._recent.show(rows.recent_rows(snapshot, now), bars.recent_title(snapshot))
        self._errors.show(rows.error_rows(snapshot, now), bars.errors_title(snapshot))

    def about(self) -> tuple[Part, ...]:
        """The record under the cursor of the list in use."""
        table = self.focused if isinstance(self.focused, RecordTable) else self._open.table
        row = table.current()
        return (Part(row.about, Tone.DIM),) if row else ()
