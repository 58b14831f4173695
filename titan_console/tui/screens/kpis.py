"""The KPIs with their targets and their last 30 days, and each by workflow."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from msgspec import to_builtins
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Vertical

from core.money.kpis import Kpi, hours_text, percentile, report, shown
from core.reporting import history
from core.reporting.history import KpiMonth, Kpis
from core.text import pluralize
from state.db.reader import Source
from state.model.timestamps import to_text
from state.queries import live_rates
from state.queries.live_rates import EndedRun
from titan_console.session.console_state import ConsoleState
from titan_console.text import format as fmt
from titan_console.text.batch_share import share_basis
from titan_console.text.charts import ENOUGH, Bars, Distribution, Marker, sparkline
from titan_console.text.format import Tone
from titan_console.tui.pages.page import Records
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.screens import rate_rows
from titan_console.tui.screens.savings_rows import target_label
from titan_console.tui.widgets.chart import Chart
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.section import Section

_FIGURE = (
    Column("value", "Value", 9, 1, right=True),
    Column("target", "Target", 10, 3, right=True),
    Column("verdict", "Status", 9, 2),
    Column("days", "Trend", 30, 4),
)
KPI_COLUMNS = (Column("name", "KPI", 18, 0, grow=1, widest=28), *_FIGURE)
WORKFLOW_COLUMNS = (Column("name", "Workflow", 18, 0, grow=1, widest=48), *_FIGURE)
_HOUR_S = 3600


def kpi_rows(found: KpiMonth) -> list[Row]:
    """One row per KPI."""
    rows = [_row(kpi.name, kpi.title, kpi, found.by_day) for kpi in found.overall]
    return [
        replace(row, about=f"batch share of tokens: {share_basis(found)}")
        if row.key == "batch_share"
        else row
        for row in rows
    ]


def kpis_title(found: KpiMonth) -> str:
    """The title of the list, with what was spent where a part of it is fees."""
    spent = fmt.sum_of_money(found.cost_nano, found.unpriced)
    fees = f" · spent {spent}, fees {fmt.money(found.fee_nano)}" if found.fee_nano else ""
    return f"KPIs, last {found.days} days{fees} · Enter opens the workflows"


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
        target_of="a day" if of_a_day.is_sum else "",
        is_floor=of_a_day.is_floor,
        base=_base(of_a_day),
        # Only what misses its target catches the eye.
        met=Tone.DIM,
        first=_short(days[0]),
        last="today (UTC)",
    )


def _base(kpi: Kpi) -> float:
    """A share is drawn around its target: from 60% for a target of 80%."""
    target = float(kpi.target)
    return max(0.0, 2 * target - 1) if kpi.is_floor and target < 1 else 0.0


def distribution(seconds: Sequence[float]) -> Distribution:
    """The turnarounds of batches with p50 and p95."""
    hours = [value / _HOUR_S for value in seconds]
    marks = [
        Marker(at=at, label=f"p{percent} {hours_text(at)}", tone=tone)
        for percent, tone in ((50, Tone.GOOD), (95, Tone.WARN))
        if (at := percentile(hours, percent)) is not None
    ]
    return Distribution(values=hours, marks=marks, format_value=hours_text)


def distribution_title(seconds: Sequence[float]) -> str:
    """The title of the histogram."""
    batches = pluralize(len(seconds), "batch", "batches")
    return f"Turnaround of {batches}, from submission until collected"


def _without_days(title: str) -> str:
    """The title of a KPI without the days that it is the sum of."""
    return title.partition(" (")[0]


def _short(day: str) -> str:
    moment = date.fromisoformat(day)
    return f"{moment:%b} {moment.day}"


class _KpiPage(QueryPage):
    def __init__(self, state: ConsoleState) -> None:
        super().__init__(state)
        self.found: KpiMonth | None = None
        self.add_query(self._read, self._take)

    def _read(self, source: Source) -> KpiMonth:
        fleet = history.fleet_in(self.state.folder)
        return history.kpi_month(source, fleet, self.state.now().date())

    def _take(self, found: KpiMonth) -> None:
        self.found = found


class KpisScreen(_KpiPage):
    """The list, the chosen KPI day by day, and the turnarounds."""

    NAME = "KPIs"
    CSS = """
    KpisScreen {
        #kpis { height: 12; }
        #kpi-days, #turnaround { height: 1fr; }
    }
    /* Without a histogram. */
    KpisScreen.-few #turnaround { height: 4; }
    KpisScreen.-low {
        #turnaround { display: none; }
        #kpis { height: 1fr; max-height: 12; }
        #kpi-days { height: 6; }
    }
    KpisScreen.-low.-times { #turnaround { display: block; } #kpi-days { display: none; } }
    KpisScreen.-flat, KpisScreen.-flat.-times { #kpi-days, #turnaround { display: none; } }
    """

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._kpis = Section("Calculating…", KPI_COLUMNS, id="kpis")
        self._days = Chart(id="kpi-days")
        self._turnaround = Chart(id="turnaround")
        self._ended: Sequence[EndedRun] = ()
        self.add_query(self._read_rates, self._take_rates)

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
        found = self.found
        if found is None:
            return
        rates = rate_rows.rate_rows(self._ended, now)
        self._kpis.show([*kpi_rows(found), *rates], kpis_title(found))
        title = f" {distribution_title(found.turnarounds_s)} "
        self._turnaround.show(title, distribution(found.turnarounds_s).lines)
        self.set_class(len(found.turnarounds_s) < ENOUGH, "-few")
        self._draw_chosen()

    def on_record_table_moved(self) -> None:
        """Draw the KPI under the cursor."""
        super().on_record_table_moved()
        self._draw_chosen()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the KPI by workflow; a rate has no page."""
        message.stop()
        if rate_rows.is_rate(message.row.key):
            return
        name, title = str(message.row.key), message.row.cells["name"].text
        self.app.push_screen(KpiByWorkflow(self.state, name, title))  # pyright: ignore[reportUnknownMemberType]

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The KPIs, as in `kpis --json`, and the rates with their parts."""
        del table
        if self.found is None:
            return None
        kpis = _records({"": self.found.overall}, map(str, keys))
        rates = rate_rows.records(self._ended, keys, self.state.now())
        return lambda source: [*kpis(source), *rates]

    def _draw_chosen(self) -> None:
        row = self._kpis.table.current()
        if row is None or self.found is None:
            return
        name = str(row.key)
        if rate_rows.is_rate(name):
            self.set_class(False, "-times")
            bars = rate_rows.rate_bars(self._ended, name, self.state.now())
            self._days.show(f" {row.cells['name'].text} ", bars.lines)
            return
        self.set_class(name.endswith("_h"), "-times")
        title = f" {_without_days(row.cells['name'].text)} by day "
        self._days.show(title, day_bars(self.found, name).lines)

    def _read_rates(self, source: Source) -> Sequence[EndedRun]:
        since = to_text(self.state.now() - rate_rows.LONGEST)
        return live_rates.ended_since(source, since)

    def _take_rates(self, ended: Sequence[EndedRun]) -> None:
        self._ended = ended


def _records(found: Mapping[str, Kpis], names: Iterable[str]) -> Records:
    """One record for each KPI of each workflow."""
    wanted = set(names)
    made = [
        ({"workflow": workflow} if workflow else {}) | {"kpi": name} | to_builtins(kpi)
        for workflow, kpis in found.items()
        for name, kpi in report(kpis).items()
        if name in wanted
    ]
    return lambda _source: made


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

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The KPI of these workflows."""
        del table
        if self.found is None:
            return None
        found = {key: self.found.by_workflow[key] for key in map(str, keys)}
        return _records(found, [self._name])

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        if self.found is not None:
            self._list.show(workflow_rows(self.found, self._name), f"{self._title} by workflow")
