"""What the ledger has measured, in the words of forecasts and KPIs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import product
from typing import TypeVar

from core.money.eta import Eta, estimate_eta
from core.money.forecast import Measured
from core.money.kpis import Facts
from state.db.reader import Source
from state.model.records import Batch, Kind
from state.operations import deadlines
from state.queries import kpi_figures, spending
from state.queries.kpi_figures import Fallbacks, Turnaround, Volume

_Found = TypeVar("_Found", Volume, Turnaround, Fallbacks)
# None stands for every workflow, and for every day.
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
    """The facts of every workflow from one UTC day on, read once."""

    def __init__(
        self, source: Source, *, since_day: str, is_batchable: Callable[[str], bool]
    ) -> None:
        """`is_batchable` tells a workflow that may be batched from one that never is."""
        self._volumes = _grouped(kpi_figures.volumes(source, since_day=since_day))
        self._turnarounds = _grouped(kpi_figures.turnarounds(source, since_day=since_day))
        self._fallbacks = _grouped(kpi_figures.fallbacks(source, since_ts=since_day))
        self._is_batchable = cache(is_batchable)

    def workflows(self) -> list[str]:
        """Every workflow that did something."""
        return sorted({name for name, _ in (*self._volumes, *self._fallbacks) if name is not None})

    def facts(self, workflow: str | None = None, day: str | None = None) -> Facts:
        """Of one workflow or of all together, of one UTC day or of all."""
        volumes = self._volumes.get((workflow, day), [])
        return Facts(
            batch_tokens=self._tokens(volumes, Kind.BATCH),
            sync_tokens=self._tokens(volumes, Kind.SYNC),
            savings_nano=sum(v.savings_nano for v in volumes),
            unpriced=sum(v.unpriced for v in volumes),
            requests=sum(v.requests for v in volumes),
            errored=sum(v.errored for v in volumes),
            lost=sum(v.lost for v in volumes),
            fallbacks=sum(found.number for found in self._fallbacks.get((workflow, day), [])),
            turnarounds_s=[f.seconds for f in self._turnarounds.get((workflow, day), [])],
        )

    def _tokens(self, volumes: Iterable[Volume], kind: Kind) -> int:
        return sum(v.tokens for v in volumes if v.kind == kind and self._is_batchable(v.workflow))


def _grouped(found: Iterable[_Found]) -> Mapping[_WorkflowDay, list[_Found]]:
    """By workflow and day, by each of them alone, and all together."""
    groups: defaultdict[_WorkflowDay, list[_Found]] = defaultdict(list)
    for one in found:
        for key in product((None, one.workflow), (None, one.day)):
            groups[key].append(one)
    return dict(groups)
