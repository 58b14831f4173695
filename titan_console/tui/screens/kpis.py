"""The five figures that say whether the move to batches pays, with their targets and their days."""

from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Vertical

from core.config import titan_file
from core.reporting import kpi_month
from core.reporting.kpi_month import KpiMonth
from state.db.reader import Source
from state.files.folder import Folder
from titan_console.session.console_state import View
from titan_console.tui.screens import kpi_rows as rows
from titan_console.tui.screens.query_page import AskingPage
from titan_console.tui.widgets.chart import Picture
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.section import Section


class _KpiPage(AskingPage):
    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.found: KpiMonth | None = None
        self.keep_answered(self._read, self._take)

    def _read(self, source: Source) -> KpiMonth:
        never = titan_file.read(Folder(self.view.path.parent)).never_batch
        return kpi_month.read(source, never, self.view.now().date())

    def _take(self, found: KpiMonth) -> None:
        self.found = found


class KpisScreen(_KpiPage):
    """The list, the chosen figure day by day, and how long batches took."""

    WORD = "KPIs"
    CSS = """
    KpisScreen {
        #kpis { height: 8; }
        #kpi-days, #turnaround { height: 1fr; }
    }
    KpisScreen.-low { #turnaround { display: none; } #kpis { height: 1fr; max-height: 8; } }
    KpisScreen.-low.-times { #turnaround { display: block; } #kpi-days { display: none; } }
    KpisScreen.-flat, KpisScreen.-flat.-times { #kpi-days, #turnaround { display: none; } }
    """

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._kpis = Section("Adding up.", rows.KPI_COLUMNS, id="kpis")
        self._days = Picture(id="kpi-days")
        self._turnaround = Picture(id="turnaround")

    def content(self) -> ComposeResult:
        """The list above, the pictures below."""
        with Vertical(classes="content"):
            yield self._kpis
            yield self._days
            yield self._turnaround

    def on_mount(self) -> None:
        """Begin on the list."""
        self._kpis.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the list and the pictures."""
        del now
        found = self.found
        if found is None:
            return
        self._kpis.show(rows.kpi_rows(found), f"KPIs of {found.days} days · enter: by workflow")
        self._turnaround.border_title = f" {rows.distribution_title(found.turnarounds_s)} "
        self._turnaround.painter = rows.distribution(found.turnarounds_s).lines
        self._draw_chosen()

    def on_record_table_moved(self) -> None:
        """Draw the figure under the cursor."""
        super().on_record_table_moved()
        self._draw_chosen()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Show the figure workflow by workflow."""
        message.stop()
        name, title = str(message.row.key), message.row.cells["name"].text
        self.app.push_screen(KpiByWorkflow(self.view, name, title))  # pyright: ignore[reportUnknownMemberType]

    def _draw_chosen(self) -> None:
        row = self._kpis.table.current()
        if row is None or self.found is None:
            return
        name = str(row.key)
        self.set_class(name.endswith("_h"), "-times")
        self._days.border_title = f" {row.cells['name'].text}, day by day "
        self._days.painter = rows.day_bars(self.found, name).lines


class KpiByWorkflow(_KpiPage):
    """One of the figures for each workflow."""

    def __init__(self, view: View, name: str, title: str) -> None:
        """`name` is the figure's, `title` its words."""
        super().__init__(view)
        self._name, self._title = name, title
        self._list = Section("No workflow has done anything.", rows.WORKFLOW_COLUMNS, id="by")
        self._list.add_class("content")

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def crumb(self) -> str:
        """The figure."""
        return self._title

    def on_mount(self) -> None:
        """Begin on the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        if self.found is not None:
            self._list.show(
                rows.workflow_rows(self.found, self._name), f"{self._title} by workflow"
            )
