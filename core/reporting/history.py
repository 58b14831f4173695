"""Measured history for forecasts, ETAs and KPIs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import product
from typing import TypeVar

from msgspec import Struct

from core.config import scan_file, titan_file
from core.money.batchable import Fleet, Unmoved, fleet_of, unmoved
from core.money.eta import Eta, estimate_eta
from core.money.forecast import Measured
from core.money.kpis import MONTH_DAYS, Facts, Kpi, kpis
from core.reporting.ledger_time import ledger_now
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.model.records import Batch, BatchKind
from state.operations import deadlines
from state.queries import kpi_figures, spending
from state.queries.kpi_figures import Answered, SyncRuns, Turnaround, Volume

_Found = TypeVar("_Found", Volume, Turnaround, SyncRuns, Answered)
Kpis = tuple[Kpi, ...]
# None: all workflows, or all days.
_WorkflowDay = tuple[str | None, str | None]


def measured(reader: Reader) -> dict[str, Measured]:
    """Tokens and money of each workflow in the last 30 days."""
    since_day = (ledger_now(reader) - timedelta(days=30)).date().isoformat()
    return {
        row.name: Measured(
            tokens_in=row.tokens_in,
            tokens_out=row.tokens_out,
            cost_nano=row.cost_nano,
            sync_cost_nano=row.sync_cost_nano,
            unpriced=row.unpriced,
            first_day=row.first_day,
        )
        for row in spending.by_day_column(reader, "workflow", since_day=since_day)
    }


def etas(source: Source, batches: Sequence[Batch], now: datetime) -> Mapping[str, Eta]:
    """When each of these open batches will end, by its key."""
    known = deadlines.api_times_of(source, {batch.workflow for batch in batches})
    return {batch.key: estimate_eta(batch, known[batch.workflow], now) for batch in batches}


class History:
    """The KPI facts of every workflow of some UTC days, read once."""

    def __init__(self, source: Source, fleet: Fleet, today: date, *, days: int) -> None:
        """The last `days` up to today; `fleet` are the jobs that could run in batches."""
        since_day = str(today - timedelta(days=days - 1))
        self._days = days
        self._volumes = _grouped(kpi_figures.volumes(source, since_day=since_day))
        self._turnarounds = _grouped(kpi_figures.turnarounds(source, since_day=since_day))
        self._sync_runs = _grouped(kpi_figures.sync_runs(source, since_ts=since_day))
        self._answered = _grouped(kpi_figures.answered_elsewhere(source, since_day=since_day))
        self._is_batchable = cache(fleet.is_batchable)
        self.unmoved = self._unmoved(
            unmoved(fleet, kpi_figures.last_days(source), today, days=days)
        )

    def _unmoved(self, found: Unmoved) -> Unmoved:
        """Plans alone are no evidence that anything ran: they count beside what was measured."""
        has_record = found.measured or any(
            kind.tokens for kind in self._volumes.get((None, None), [])
        )
        return found if has_record else Unmoved(unknown=(*found.tokens, *found.unknown))

    def workflows(self) -> list[str]:
        """Every workflow that did something, and the jobs without a record."""
        names = {name for name, _ in (*self._volumes, *self._sync_runs) if name is not None}
        return sorted(names | set(self.unmoved.tokens))

    def facts(self, workflow: str | None = None, day: str | None = None) -> Facts:
        """Of one workflow or of all together, of one UTC day or of all."""
        volumes = self._volumes.get((workflow, day), [])
        # A request that was answered in the end is counted there, and is no error.
        answered = sum(found.number for found in self._answered.get((workflow, day), []))
        return Facts(
            batch_tokens=self._tokens(volumes, BatchKind.BATCH),
            sync_tokens=self._tokens(volumes, BatchKind.SYNC),
            unmoved_tokens=self._unmoved_tokens(workflow, day),
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

    def _unmoved_tokens(self, workflow: str | None, day: str | None) -> int:
        """Of one day, the mean of all."""
        tokens = self.unmoved.total if workflow is None else self.unmoved.tokens.get(workflow, 0)
        return tokens if day is None else round(tokens / self._days)

    def _tokens(self, volumes: Iterable[Volume], kind: BatchKind) -> int:
        return sum(v.tokens for v in volumes if v.kind == kind and self._is_batchable(v.workflow))


class KpiMonth(Struct, frozen=True, kw_only=True):
    """The KPIs of some days. `by_day` has every UTC day, earliest first, with daily targets.

    Cost, and the fees in it, in nano-dollars; `unpriced` answers are left out. The batch share is
    that of `batch_tokens` in these, `sync_tokens` and those of `unmoved` jobs.
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
    batch_tokens: int
    sync_tokens: int
    unmoved: Unmoved
    scanned_ts: str | None


def fleet_in(folder: Folder) -> Fleet:
    """The jobs of titan.toml and of the last scan in that folder."""
    return fleet_of(titan_file.read(folder), scan_file.read(folder))


def kpi_month(source: Source, fleet: Fleet, today: date, *, days: int = MONTH_DAYS) -> KpiMonth:
    """The KPIs of that many UTC days, today included."""
    first = today - timedelta(days=days - 1)
    history = History(source, fleet, today, days=days)
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
        batch_tokens=overall.batch_tokens,
        sync_tokens=overall.sync_tokens,
        unmoved=history.unmoved,
        scanned_ts=fleet.scanned_ts,
    )


def _grouped(found: Iterable[_Found]) -> Mapping[_WorkflowDay, list[_Found]]:
    """By workflow and day, by each of them alone, and all together."""
    groups: defaultdict[_WorkflowDay, list[_Found]] = defaultdict(list)
    for one in found:
        for key in product((None, one.workflow), (None, one.day)):
            groups[key].append(one)
    return dict(groups)
