"""The first screen: open batches, what ended last, the latest errors."""

from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import DescendantFocus
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from titan_console.format import Tone
from titan_console.safe_text import clean
from titan_console.screens import bars, rows
from titan_console.view import View
from titan_console.widgets.lines import Figures, Line, Part
from titan_console.widgets.record_table import RecordTable
from titan_console.widgets.section import Section

_TICK_S = 1.0


class BatchesScreen(Screen[None]):
    """Follows the app's view of the ledger; ages grow by themselves."""

    CSS = """
    BatchesScreen {
        background: $background;
        #figures { margin: 1 0 1 0; }
        #open { height: 5fr; }
        #recent { height: 3fr; }
        #errors { height: 3fr; }
        #open.-empty, #recent.-empty, #errors.-empty { height: 3; }
        #holds { display: none; }
        #holds.-shown { display: block; }
        #notice { display: none; height: 1fr; content-align: center middle; text-align: center; }
        &.-nothing-yet { #notice { display: block; } Section, #figures, #about { display: none; } }
        #about { background: $panel; }
        Footer { background: $background; padding: 0 1 0 0; }
    }
    BatchesScreen.-low { #figures { margin: 0; } }
    BatchesScreen.-flat {
        #figures { height: 1; margin: 0; }
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
        super().__init__()
        self._view = view
        self._top = Line(id="top")
        self._figures = Figures(id="figures")
        self._holds = Line(id="holds")
        self._notice = Static(id="notice", markup=False)
        self._open = Section(
            "Nothing is open. To open a batch: titan-console submit FILE",
            rows.OPEN_COLUMNS,
            id="open",
        )
        self._recent = Section("No batch has ended yet.", rows.RECENT_COLUMNS, id="recent")
        self._errors = Section("No errors: all is well.", rows.ERROR_COLUMNS, id="errors")
        self._about = Line(id="about")
        self._status = Line(id="status")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._top
        yield self._figures
        yield self._holds
        yield self._notice
        yield self._open
        yield self._recent
        yield self._errors
        yield self._about
        yield self._status
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to tick."""
        self._open.table.focus()
        self.show()
        self.set_interval(_TICK_S, self.show)

    def show(self) -> None:
        """Draw what the view holds, as it looks at this moment."""
        now = self._view.now()
        snapshot = self._view.snapshot
        self.set_class(snapshot is None, "-nothing-yet")
        self._show_lines(now)
        if snapshot is None:
            self._notice.update(self._say_what_is_missing())
            return
        self._figures.figures = bars.figures(snapshot)
        self._open.show(rows.open_rows(snapshot, now), bars.open_title(snapshot))
        self._recent.show(rows.recent_rows(snapshot, now), bars.recent_title(snapshot))
        self._errors.show(rows.error_rows(snapshot, now), bars.errors_title(snapshot))
        self._show_about()

    def redraw(self) -> None:
        """Draw all of it in new colours."""
        for table in self.query(RecordTable):
            table.redraw()
        for line in self.query(Line):
            line.refresh()
        self._figures.refresh()

    def _show_lines(self, now: datetime) -> None:
        view = self._view
        self._top.left = (
            Part("TITAN", Tone.PLAIN, strong=True),
            Part("  Batches  ", Tone.BUSY),
            Part(view.place, Tone.DIM),
        )
        self._top.right = bars.heartbeat(view.snapshot, now)
        self._holds.left = bars.holds(view.snapshot, now)
        self._holds.set_class(bool(self._holds.left), "-shown")
        self._status.left = bars.pulse(
            trouble=view.trouble,
            paused_changes=view.changes_behind() if view.paused else None,
            silent_for=view.silent_for(now),
            lag=view.lag,
        )
        self._status.right = bars.changes(view.snapshot, view.first_revision, now)

    def _say_what_is_missing(self) -> str:
        trouble = self._view.trouble
        if trouble is None:
            return "Opening the ledger."
        if not trouble.missing:
            return clean(trouble.reason)
        return (
            f"No ledger yet\n\n{clean(self._view.place)}\n\n"
            "It comes with the first batch: titan-console submit FILE\n"
            "To see one at work, without a key: titan-console demo\n\n"
            "This screen fills by itself as soon as there is one."
        )

    @on(DataTable.RowHighlighted)
    def _on_row(self) -> None:
        self._show_about()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Another list: another record under the cursor."""
        del event
        self._show_about()

    def _show_about(self) -> None:
        table = self.focused if isinstance(self.focused, RecordTable) else self._open.table
        row = table.current()
        self._about.left = (Part(row.about, Tone.DIM),) if row else ()
