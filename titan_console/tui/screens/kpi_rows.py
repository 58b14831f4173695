"""What the KPIs screen lists and draws. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date

from core.money.kpis import Kpi, percentile, shown
from core.reporting.kpi_month import KpiMonth, Kpis
from titan_console.text import format as fmt
from titan_console.text.charts import Bars, Distribution, Mark, spark
from titan_console.text.format import Tone
from titan_console.tui.screens.savings_rows import verdict
from titan_console.tui.widgets.columns import Column
from titan_console.tui.widgets.row_drawing import Cell, Row

_FIGURE = (
    Column("value", "Value", 9, 1, right=True),
    Column("target", "Target", 10, 3, right=True),
    Column("verdict", "Verdict", 9, 2),
    Column("days", "30 days", 30, 4),
)
KPI_COLUMNS = (Column("name", "KPI", 18, 0, grow=1, widest=28), *_FIGURE)
WORKFLOW_COLUMNS = (Column("name", "Workflow", 18, 0, grow=1, widest=48), *_FIGURE)
_HOUR_S = 3600
_SUM_OF_DAYS = ("saved_usd_30d", "fallbacks_30d")


def kpi_rows(found: KpiMonth) -> list[Row]:
    """One line a figure."""
    return [_row(kpi.name, kpi.title, kpi, found.by_day) for kpi in found.overall]


def workflow_rows(found: KpiMonth, name: str) -> list[Row]:
    """One line a workflow, for one figure."""
    return [
        _row(workflow, workflow, named(kpis, name), found.by_workflow_and_day[workflow])
        for workflow, kpis in found.by_workflow.items()
    ]


def named(kpis: Kpis, name: str) -> Kpi:
    """The figure of that name."""
    return next(kpi for kpi in kpis if kpi.name == name)


def _row(key: str, title: str, kpi: Kpi, by_day: Mapping[str, Kpis]) -> Row:
    label = verdict(kpi.ok)
    value = fmt.NOTHING if kpi.value is None else shown(kpi, kpi.value)
    target = f"{'≥' if kpi.is_floor else '≤'} {shown(kpi, kpi.target)}"
    return Row(
        key=key,
        cells={
            "name": Cell(title),
            "value": Cell(value, label.tone),
            "target": Cell(target, Tone.DIM),
            "verdict": Cell(str(label), label.tone),
            "days": Cell(spark(_values(by_day, kpi.name)), Tone.BUSY),
        },
        about=f"{title}: {value}, the target is {target}  ·  {label}",
    )


def _values(by_day: Mapping[str, Kpis], name: str) -> list[float | None]:
    return [named(kpis, name).value for kpis in by_day.values()]


def day_bars(found: KpiMonth, name: str) -> Bars:
    """A figure day by day, against its target for one day."""
    days = list(found.by_day)
    of_a_day = named(found.by_day[days[-1]], name)
    return Bars(
        values=_values(found.by_day, name),
        words=lambda value: shown(of_a_day, value),
        target=float(of_a_day.target),
        is_floor=of_a_day.is_floor,
        first=_short(days[0]),
        last="today",
    )


def distribution(seconds: Sequence[float]) -> Distribution:
    """How long batches took from order to results, with both percentiles."""
    hours = [value / _HOUR_S for value in seconds]
    marks = [
        Mark(at=at, words=f"p{percent} {_hours(at)}", tone=tone)
        for percent, tone in ((50, Tone.GOOD), (95, Tone.WARN))
        if (at := percentile(hours, percent)) is not None
    ]
    return Distribution(values=hours, marks=marks, words=_hours)


def distribution_title(seconds: Sequence[float]) -> str:
    """What the picture counts."""
    number = len(seconds)
    return f"Turnaround of {number:,} batch{'' if number == 1 else 'es'}"


def _hours(hours: float) -> str:
    return f"{hours:.2f} h"


def _short(day: str) -> str:
    moment = date.fromisoformat(day)
    return f"{moment:%b} {moment.day}"
