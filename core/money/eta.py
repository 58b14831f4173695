"""Estimates when a batch will end, from how long earlier batches of its workflow took. Pure.

The API reports no progress before a batch has ended, so the estimate compares this batch with the
earlier ones that were still running at its age.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from core.config.durations import DEADLINE_LEAD
from core.money.kpis import percentile
from state.model.records import Batch, BatchKind, BatchStatus
from state.model.timestamps import from_text, to_text

# With fewer earlier batches no estimate is made.
ENOUGH = 5
_MEDIUM, _HIGH = 0.05, 0.30


class Risk(StrEnum):
    """How likely a batch is still open at its deadline guard (two hours before the deadline).

    `PAST`: the guard's time has passed. `UNKNOWN`: too little history. `NONE`: no deadline.
    """

    PAST = "past"
    HIGH = "high"
    MEDIUM = "medium"
    UNKNOWN = "unknown"
    LOW = "low"
    NONE = "none"


class Stage(StrEnum):
    """The start of the estimate: acceptance, now (not sent yet), or nothing (ending)."""

    RUNNING = "running"
    NOT_SENT = "not_sent"
    ENDING = "ending"


class Eta(Struct, frozen=True, kw_only=True):
    """When a batch will end, and how likely it misses its deadline guard.

    Of the `known` earlier batches of the workflow, `comparable` took longer than this one has run
    so far; `p50` and `p95` are their 50th and 95th percentile, None without any. `late` of them
    would end after the guard; `late_probability` is that share, None without a deadline. Of a batch
    that has run longer than all of them, it is the share of its age in the time until the guard:
    nothing else tells, and what has run for a minute is not late in a day. `is_late`: the deadline
    itself has passed, as that of a replay of old errors.
    """

    stage: Stage
    known: int
    comparable: int = 0
    p50: datetime | None = None
    p95: datetime | None = None
    late: int = 0
    late_probability: float | None = None
    risk: Risk = Risk.NONE
    is_late: bool = False

    @property
    def exceeds_history(self) -> bool:
        """Whether it has run longer than every earlier batch."""
        return self.stage == Stage.RUNNING and self.known >= ENOUGH and not self.comparable


def estimate_eta(batch: Batch, history: Sequence[float], now: datetime) -> Eta:
    """Estimate an open batch. `history`: seconds from acceptance to end, in any order."""
    found = _estimate(batch, history, now)
    is_late = batch.deadline_ts is not None and from_text(batch.deadline_ts) <= now
    return replace(found, is_late=True) if is_late else found


def _estimate(batch: Batch, history: Sequence[float], now: datetime) -> Eta:
    stage = _stage(batch)
    guard = from_text(batch.deadline_ts) - DEADLINE_LEAD if batch.deadline_ts else None
    if stage == Stage.ENDING:
        return Eta(stage=stage, known=len(history), risk=_default_risk(guard, now, Risk.LOW))
    if len(history) < ENOUGH:
        return Eta(stage=stage, known=len(history), risk=_default_risk(guard, now, Risk.UNKNOWN))
    began = from_text(batch.accepted_ts) if stage == Stage.RUNNING and batch.accepted_ts else now
    age = max(0.0, (now - began).total_seconds())
    longer = [seconds for seconds in history if seconds > age or not age]
    late = sum(began + timedelta(seconds=s) > guard for s in longer) if guard else 0
    late_probability = None
    if guard is not None:
        age_at_guard = (guard - began).total_seconds()
        late_probability = late / len(longer) if longer else age / max(age, age_at_guard)
    return Eta(
        stage=stage,
        known=len(history),
        comparable=len(longer),
        p50=_at(began, longer, 50),
        p95=_at(began, longer, 95),
        late=late,
        late_probability=late_probability,
        risk=_risk(guard, now, late_probability),
    )


def by_risk(batch: Batch, found: Eta) -> tuple[int, float, str]:
    """Sort key: the highest risk first, then the nearest deadline."""
    return (
        list(Risk).index(found.risk),
        -(found.late_probability or 0.0),
        batch.deadline_ts or batch.expires_ts or "~",
    )


class EtaReport(Struct, frozen=True, kw_only=True):
    """An ETA as JSON. `like_it` and `miss_chance` are old names, kept for one release."""

    stage: Stage
    p50_ts: str | None
    p95_ts: str | None
    history: int
    comparable: int
    like_it: int
    risk: Risk
    late_probability: float | None
    miss_chance: float | None


def report(found: Eta) -> EtaReport:
    """The ETA as JSON; probabilities to four decimals."""
    late = None if found.late_probability is None else round(found.late_probability, 4)
    return EtaReport(
        stage=found.stage,
        p50_ts=to_text(found.p50) if found.p50 else None,
        p95_ts=to_text(found.p95) if found.p95 else None,
        history=found.known,
        comparable=found.comparable,
        like_it=found.comparable,
        risk=found.risk,
        late_probability=late,
        miss_chance=late,
    )


def _stage(batch: Batch) -> Stage:
    if batch.kind == BatchKind.SYNC or batch.status in (BatchStatus.CANCELING, BatchStatus.ENDED):
        return Stage.ENDING
    if batch.status == BatchStatus.IN_PROGRESS:
        return Stage.RUNNING
    return Stage.NOT_SENT


def _at(began: datetime, seconds: Sequence[float], percent: int) -> datetime | None:
    found = percentile(seconds, percent)
    return None if found is None else began + timedelta(seconds=found)


def _default_risk(guard: datetime | None, now: datetime, otherwise: Risk) -> Risk:
    if guard is None:
        return Risk.NONE
    return Risk.PAST if guard <= now else otherwise


def _risk(guard: datetime | None, now: datetime, late_probability: float | None) -> Risk:
    if guard is None or late_probability is None:
        return Risk.NONE
    if guard <= now:
        return Risk.PAST
    if late_probability >= _HIGH:
        return Risk.HIGH
    return Risk.MEDIUM if late_probability >= _MEDIUM else Risk.LOW
