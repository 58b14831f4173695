"""Measured history for forecasts, ETAs and KPIs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import product
from typing import TypeVar

from msgspec import Struct

from core.config.never_batch import NeverBatchList
from core.money.eta import Eta, estimate_eta
from core.money.forecast import Measured
from core.money.kpis import MONTH_DAYS, Facts, Kpi, kpis
from state.db.reader import Source
from state.model.records import Batch, BatchKind
from state.operations import deadlines
from state.queries import kpi_figures, spending
from state.queries.kpi_figures import Answered, SyncRuns, Turnaround, Volume

_Found = TypeVar("_Found", Volume, Turnaround, SyncRuns, Answered)
Kpis = tuple[Kpi, ...]
# None: all workflows, or all days.
_WorkflowDay = tuple[str | None, str | None]


def measured(source: Source, *, since_day: str) -> dict[str, Measured]:
    """Tokens and money of each workflow from that UTC day on."""
    return {
        row.name: Measured(
            tokens_in=row.tokens_in,
            tokens_out=row.tokens_out,
            cost_nano=row.cost_nano,
            sync_cost_nano=row.sync_cost_nano,
            unpriced=row.unpriced,
            first_day=row.first_day,
        )
        for row in spending.by_day_column(source, "workflow", since_day=since_day)
    }


def etas(source: Source, batches: Sequence[Batch], now: datetime) -> Mapping[str, Eta]:
    """When each of these open batches will end, by its key."""
    known = deadlines.turnarounds_of(source, {batch.workflow for batch in batches})
    return {batch.key: estimate_eta(batch, known[batch.workflow], now) for batch in batches}


class History:
    """The KPI facts of every workflow from one UTC day on, read once."""

    def __init__(
        self, source: Source, *, since_day: str, is_batchable: Callable[[str], bool]
    ) -> None:
        """`is_batchable`: whether a workflow may be batched."""
        self._volumes = _grouped(kpi_figures.volumes(source, since_day=since_day))
        self._turnarounds = _grouped(kpi_figures.turnarounds(source, since_day=since_day))
        self._sync_runs = _grouped(kpi_figures.sync_runs(source, since_ts=since_day))
        self._answered = _grouped(kpi_figures.answered_elsewhere(source, since_day=since_day))
        self._is_batchable = cache(is_batchable)

    def workflows(self) -> list[str]:
        """Every workflow that did something."""
        return sorted({name for name, _ in (*self._volumes, *self._sync_runs) if name is not None})

    def facts(self, workflow: str | None = None, day: str | None = None) -> Facts:
        """Of one workflow or of all together, of one UTC day or of all."""
        volumes = self._volumes.get((workflow, day), [])
        # A request that was answered in the end is counted there, and is no error.
        answered = sum(found.number for found in self._answered.get((workflow, day), []))
        return Facts(
            batch_tokens=self._tokens(volumes, BatchKind.BATCH),
            sync_tokens=self._tokens(volumes, BatchKind.SYNC),
            savings_nano=sum(v.savings_nano for v in volumes),
            cost_nano=sum(v.cost_nano for v in volumes),
            fee_nano=sum(v.fee_nano for v in volumes),
            unpriced=sum(v.unpriced for v in volumes),
            requests=sum(v.requests for v in volumes) - answered,
            errored=sum(v.errored for v in volumes),
            lost=sum(v.lost for v in volumes) - answered,
            sync_runs=sum(found.number for found in self._sync_runs.get((workflow, day), [])),
            turnarounds_s=[f.seconds for f in self._turnarounds.get((workflow, day), [])],
        )

    def _tokens(self, volumes: Iterable[Volume], kind: BatchKind) -> int:
        return sum(v.tokens for v in volumes if v.kind == kind and self._is_batchable(v.workflow))


class KpiMonth(Struct, frozen=True, kw_only=True):
    """The KPIs of some days. `by_day` has every UTC day, earliest first, with daily targets.

    Cost, and the fees in it, in nano-dollars; `unpriced` answers are left out.
    """

    days: int
    cost_nano: int
    fee_nano: int
    unpriced: int
    overall: Kpis
    by_day: Mapping[str, Kpis]
    by_workflow: Mapping[str, Kpis]
    by_workflow_and_day: Mapping[str, Mapping[str, Kpis]]
    turnarounds_s: Sequence[float]


def kpi_month(
    source: Source, never: NeverBatchList, today: date, *, days: int = MONTH_DAYS
) -> KpiMonth:
    """The KPIs of that many UTC days, today included."""
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
        cost_nano=overall.cost_nano,
        fee_nano=overall.fee_nano,
        unpriced=overall.unpriced,
        overall=kpis(overall, days=days),
        by_day={day: kpis(history.facts(day=day), days=1) for day in each_day},
        by_workflow={name: kpis(history.facts(name), days=days) for name in names},
        by_workflow_and_day={
            name: {day: kpis(history.facts(name, day), days=1) for day in each_day}
            for name in names
        },
        turnarounds_s=overall.turnarounds_s,
    )


def _grouped(found: Iterable[_Found]) -> Mapping[_WorkflowDay, list[_Found]]:
    """By workflow and day, by each of them alone, and all together."""
    groups: defaultdict[_WorkflowDay, list[_Found]] = defaultdict(list)
    for one in found:
        for key in product((None, one.workflow), (None, one.day)):
            groups[key].append(one)
    return dict(groups)
