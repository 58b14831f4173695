"""The jobs whose work could run in batches, for the share of it that did. Pure.

What the ledger recorded counts as recorded. A job that it has no record of counts as not batched,
with the tokens of the last scan, or else with those of titan.toml times its runs.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from msgspec import Struct, field

from core.config.job import Job
from core.config.never_batch import NeverBatchList
from core.config.scan_file import Basis, ScanRecord
from core.config.titan_tables import TitanToml

_MONTH_DAYS = 30


class BatchableJob(Struct, frozen=True, kw_only=True):
    """A job that could run in batches. `tokens` is input and output of 30 days, None if unknown."""

    name: str
    tokens: int | None
    basis: Basis | None
    period_days: int = _MONTH_DAYS


class Fleet(Struct, frozen=True, kw_only=True):
    """The jobs of titan.toml and of the last scan, and the names that are never batched."""

    never: NeverBatchList = field(default_factory=NeverBatchList)
    jobs: tuple[BatchableJob, ...] = ()
    scanned_ts: str | None = None

    def is_batchable(self, workflow: str) -> bool:
        """Whether the work of that name may be batched."""
        return self.never.reason_for([workflow]) is None


class Unmoved(Struct, frozen=True, kw_only=True):
    """Jobs without a record in the ledger, with the tokens of the days that were asked for.

    `unknown` are jobs whose tokens are not known: they are named, and count as nothing.
    """

    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    measured: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def measured_tokens(self) -> int:
        """Those that were recorded, not planned."""
        return sum(self.tokens[name] for name in self.measured)

    @property
    def total(self) -> int:
        """All tokens."""
        return sum(self.tokens.values())


def fleet_of(titan_toml: TitanToml, scan: ScanRecord) -> Fleet:
    """The batchable jobs of both; figures that a scan measured count rather than planned ones."""
    jobs = {job.name: job for job in _planned(titan_toml)}
    for found in scan.jobs:
        known = jobs.get(found.name)
        if known is None or found.basis == Basis.MEASURED or known.tokens is None:
            period = known.period_days if known else _MONTH_DAYS
            jobs[found.name] = BatchableJob(
                name=found.name, tokens=found.tokens, basis=found.basis, period_days=period
            )
    never = titan_toml.never_batch
    return Fleet(
        never=never,
        jobs=tuple(job for job in jobs.values() if never.reason_for([job.name]) is None),
        scanned_ts=scan.scanned_ts,
    )


def _planned(titan_toml: TitanToml) -> Iterator[BatchableJob]:
    for job in titan_toml.jobs.values():
        workload = titan_toml.workloads.get(job.workload)
        if workload is None or workload.is_batched:
            tokens = _month_of(job)
            yield BatchableJob(
                name=job.name,
                tokens=tokens,
                basis=None if tokens is None else Basis.STATED,
                period_days=job.schedule.period.days or 1,
            )


def _month_of(job: Job) -> int | None:
    if job.tokens_in is None or job.tokens_out is None:
        return None
    return round((job.tokens_in + job.tokens_out) * job.schedule.runs_a_month)


def unmoved(fleet: Fleet, last_day: Mapping[str, str], today: date, *, days: int) -> Unmoved:
    """The jobs without a record in those days, nor in their last period, up to today.

    `last_day` is the last UTC day of each workflow in the ledger.
    """
    tokens, measured, unknown = dict[str, int](), set[str](), list[str]()
    for job in fleet.jobs:
        first = today - timedelta(days=max(days, 2 * job.period_days) - 1)
        if last_day.get(job.name, "") >= str(first):
            continue
        if job.tokens is None:
            unknown.append(job.name)
            continue
        tokens[job.name] = round(job.tokens * days / _MONTH_DAYS)
        if job.basis == Basis.MEASURED:
            measured.add(job.name)
    return Unmoved(tokens=tokens, measured=frozenset(measured), unknown=tuple(unknown))
