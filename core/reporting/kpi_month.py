"""The five figures of some days: together, day by day and workflow by workflow, of one moment."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct

from core.config.denylist import Denylist
from core.money.kpis import MONTH_DAYS, Kpi, kpis
from core.reporting.history import History
from state.db.reader import Source

Kpis = tuple[Kpi, ...]


class KpiMonth(Struct, frozen=True, kw_only=True):
    """`by_day` has every UTC day, the earliest first, with targets of a day."""

    days: int
    overall: Kpis
    by_day: Mapping[str, Kpis]
    by_workflow: Mapping[str, Kpis]
    by_workflow_and_day: Mapping[str, Mapping[str, Kpis]]
    turnarounds_s: Sequence[float]


def read(source: Source, never: Denylist, today: date, *, days: int = MONTH_DAYS) -> KpiMonth:
    """The figures of that many UTC days, today's among them."""
    first = today - timedelta(days=days - 1)
    history = History(
        source,
        since_day=str(first),
        is_batchable=lambda workflow: never.reason_for([workflow]) is None,
    )
    each_day = [str(first + timedelta(days=n)) for n in range(days)]
    overall = history.facts()
    names = history.workflows()
    return KpiMonth(
        days=days,
        overall=kpis(overall, days=days),
        by_day={day: kpis(history.facts(day=day), days=1) for day in each_day},
        by_workflow={name: kpis(history.facts(name), days=days) for name in names},
        by_workflow_and_day={
            name: {day: kpis(history.facts(name, day), days=1) for day in each_day}
            for name in names
        },
        turnarounds_s=overall.turnarounds_s,
    )
