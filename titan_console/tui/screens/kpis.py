"""The KPIs with their targets and their last 30 days, and each by workflow."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from textual.app import ComposeResult
from textual.containers import Vertical

from core.config import titan_file
from core.money.kpis import Kpi, percentile, shown
from core.reporting import history
from core.reporting.history import KpiMonth, Kpis
from core.text import pluralize
from state.db.reader import Source
from state.files.folder import Folder
from titan_console.session.console_state import ConsoleState
from titan_console.text import format as fmt
from titan_console.text.charts import Bars, Distribution, Marker, sparkline
from titan_console.text.format import Tone
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.screens.savings_rows import target_label
from titan_console.tui.widgets.chart import Chart
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.section import Section

_FIGURE = (
    Column("value", "Value", 9, 1, right=True),
    Column("target", "Target", 10, 3, right=True),
    Column("verdict", "Status", 9, 2),
    Column("days", "30 days", 30, 4),
)
KPI_COLUMNS = (Column("name", "KPI", 18, 0, grow=1, widest=28), *_FIGURE)
WORKFLOW_COLUMNS = (Column("name", "Workflow", 18, 0, grow=1, widest=48), *_FIGURE)
_HOUR_S = 3600


def kpi_rows(found: KpiMonth) -> list[Row]:
    """One row per KPI."""
    return [_row(kpi.name, kpi.title, kpi, found.by_day) for kpi in found.overall]


def kpis_title(found: KpiMonth) -> str:
    """The title of the list, with what was spent where a part of it is fees."""
    spent = fmt.sum_of_money(found.cost_nano, found.unpriced)
    fees = f" · spent {spent}, fees {fmt.money(found.fee_nano)}" if found.fee_nano else ""
    return f"KPIs, last {found.days} days{fees} · enter: by workflow"


def workflow_rows(found: KpiMonth, name: str) -> list[Row]:
    """One row per workflow, for one KPI."""
    return [
        _row(
            *(workflow, workflow, named(kpis, name), found.by_workflow_and_day[workflow]),
            is_part=True,
        )
        for workflow, kpis in found.by_workflow.items()
    ]


def named(kpis: Kpis, name: str) -> Kpi:
    """The KPI of that name."""
    return next(kpi for kpi in kpis if kpi.name == name)


def _row(
    key: str, title: str, kpi: Kpi, by_day: Mapping[str, Kpis], *, is_part: bool = False
) -> Row:
    has_target = not (is_part and kpi.is_sum)
    label = target_label(kpi.ok if has_target else None)
    value = fmt.NOTHING if kpi.value is None else shown(kpi, kpi.value)
    target = f"{'≥' if kpi.is_floor else '≤'} {shown(kpi, kpi.target)}"
    verdict = str(label)
    if not has_target:
        target = verdict = fmt.NOTHING
    return Row(
        key=key,
        cells={
            "name": Cell(title),
            "value": Cell(value, label.tone),
            "target": Cell(target, Tone.DIM),
            "verdict": Cell(verdict, label.tone),
            "days": Cell(sparkline(_values(by_day, kpi.name)), Tone.BUSY),
        },
        about=f"{title}: {value}, target {target}  ·  {verdict}",
    )


def _values(by_day: Mapping[str, Kpis], name: str) -> list[float | None]:
    return [named(kpis, name).value for kpis in by_day.values()]


def day_bars(found: KpiMonth, name: str) -> Bars:
    """A KPI day by day, with its target for one day."""
    days = list(found.by_day)
    of_a_day = named(found.by_day[days[-1]], name)
    return Bars(
        values=_values(found.by_day, name),
        format_value=lambda value: shown(of_a_day, value),
        target=float(of_a_day.target),
        is_floor=of_a_day.is_floor,
        first=_short(days[0]),
        last="today",
    )


def distribution(seconds: Sequence[float]) -> Distribution:
    """The turnarounds of batches with p50 and p95."""
    hours = [value / _HOUR_S for value in seconds]
    marks = [
        Marker(at=at, label=f"p{percent} {_hours(at)}", tone=tone)
        for percent, tone in ((50, Tone.GOOD), (95, Tone.WARN))
        if (at := percentile(hours, percent)) is not None
    ]
    return Distribution(values=hours, marks=marks, format_value=_hours)


def distribution_title(seconds: Sequence[float]) -> str:
    """The title of the histogram."""
    return f"Turnaround of {pluralize(len(seconds), 'batch', 'batches')}"


def _hours(hours: float) -> str:
    return f"{hours:.2f} h"


def _short(day: str) -> str:
    moment = date.fromisoformat(day)
    return f"{moment:%b} {moment.day}"


class _KpiPage(QueryPage):
    def __init__(self, state: ConsoleState) -> None:
        super().__init__(state)
        self.found: KpiMonth | None = None
        self.add_query(self._read, self._take)

    def _read(self, source: Source) -> KpiMonth:
        never = titan_file.read(Folder(self.state.path.parent)).never_batch
        return history.kpi_month(source, never, self.state.now().date())

    def _take(self, found: KpiMonth) -> None:
        self.found = found


class KpisScreen(_KpiPage):
    """The list, the chosen KPI day by day, and the turnarounds."""

    NAME = "KPIs"
    CSS = """
    KpisScreen {
        #kpis { height: 8; }
        #kpi-days, #turnaround { height: 1fr; }
    }
    KpisScreen.-low { #turnaround { display: none; } #kpis { height: 1fr; max-height: 8; } }
    KpisScreen.-low.-times { #turnaround { display: block; } #kpi-days { display: none; } }
    KpisScreen.-flat, KpisScreen.-flat.-times { #kpi-days, #turnaround { display: none; } }
    """

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._kpis = Section("Calculating…", KPI_COLUMNS, id="kpis")
        self._days = Chart(id="kpi-days")
        self._turnaround = Chart(id="turnaround")

    def content(self) -> ComposeResult:
        """The list above the charts."""
        with Vertical(classes="content"):
            yield self._kpis
            yield self._days
            yield self._turnaround

    def on_mount(self) -> None:
        """Focus the list."""
        self._kpis.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the list and the charts."""
        del now
        found = self.found
        if found is None:
            return
        self._kpis.show(kpi_rows(found), kpis_title(found))
        self._turnaround.border_title = f" {distribution_title(found.turnarounds_s)} "
        self._turnaround.painter = distribution(found.turnarounds_s).lines
        self._draw_chosen()

    def on_record_table_moved(self) -> None:
        """Draw the KPI under the cursor."""
        super().on_record_table_moved()
        self._draw_chosen()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the KPI by workflow."""
        message.stop()
        name, title = str(message.row.key), message.row.cells["name"].text
        self.app.push_screen(KpiByWorkflow(self.state, name, title))  # pyright: ignore[reportUnknownMemberType]

    def _draw_chosen(self) -> None:
        row = self._kpis.table.current()
        if row is None or self.found is None:
            return
        name = str(row.key)
        self.set_class(name.endswith("_h"), "-times")
        self._days.border_title = f" {row.cells['name'].text} by day "
        self._days.painter = day_bars(self.found, name).lines


class KpiByWorkflow(_KpiPage):
    """One KPI by workflow."""

    def __init__(self, state: ConsoleState, name: str, title: str) -> None:
        """`name` and `title` of the KPI."""
        super().__init__(state)
        self._name, self._title = name, title
        self._list = Section("No workflow has run yet.", WORKFLOW_COLUMNS, id="by")
        self._list.add_class("content")

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def breadcrumb(self) -> str:
        """The title of the KPI."""
        return self._title

    def on_mount(self) -> None:
        """Focus the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        if self.found is not None:
            self._list.show(workflow_rows(self.found, self._name), f"{self._title} by workflow")
