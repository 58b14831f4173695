"""When a batch will end, by its own workflow's history: pure arithmetic on how long others took.

The API tells no progress before a batch has ended. What can be told is what became of earlier
batches that had run for as long as this one has.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from core.config.durations import GUARD
from core.money.kpis import percentile
from state.model.records import Batch, BatchStatus, Kind
from state.model.timestamps import from_text, to_text

# With fewer earlier batches there is no history to speak of.
ENOUGH = 5
_SOME, _HIGH = 0.05, 0.30


class Risk(StrEnum):
    """How likely a batch is not to have ended when the guard of its deadline fires.

    `PAST`: that time has come. `UNKNOWN`: there is too little history. `NONE`: no deadline.
    """

    PAST = "past"
    HIGH = "high"
    SOME = "some"
    UNKNOWN = "unknown"
    LOW = "low"
    NONE = "none"


class Stage(StrEnum):
    """What an estimate counts from."""

    RUNNING = "running"
    NOT_SENT = "not_sent"
    ENDING = "ending"


class Outlook(Struct, frozen=True, kw_only=True):
    """When a batch will end, and the odds of its deadline.

    `low` and `high` are the 50th and 95th percentile of those among the `known` earlier batches
    that took longer than this one's age, `like_it` of them; None without any. `miss` is the share
    of `like_it` that would have come after the guard of the deadline, `late` of them.
    """

    stage: Stage
    known: int
    like_it: int = 0
    low: datetime | None = None
    high: datetime | None = None
    late: int = 0
    miss: float | None = None
    risk: Risk = Risk.NONE

    @property
    def is_longest(self) -> bool:
        """Whether it has run for longer than every earlier one."""
        return self.stage == Stage.RUNNING and self.known >= ENOUGH and not self.like_it


def outlook(batch: Batch, history: Sequence[float], now: datetime) -> Outlook:
    """The estimate for an open batch; `history` is seconds from acceptance to end, in any order."""
    stage = _stage(batch)
    guard = from_text(batch.deadline_ts) - GUARD if batch.deadline_ts else None
    if stage == Stage.ENDING:
        return Outlook(stage=stage, known=len(history), risk=_without_odds(guard, now, Risk.LOW))
    if len(history) < ENOUGH:
        return Outlook(
            stage=stage, known=len(history), risk=_without_odds(guard, now, Risk.UNKNOWN)
        )
    began = from_text(batch.accepted_ts) if stage == Stage.RUNNING and batch.accepted_ts else now
    age = max(0.0, (now - began).total_seconds())
    longer = [seconds for seconds in history if seconds > age or not age]
    late = sum(began + timedelta(seconds=s) > guard for s in longer) if guard else 0
    miss = None if guard is None else (late / len(longer) if longer else 1.0)
    return Outlook(
        stage=stage,
        known=len(history),
        like_it=len(longer),
        low=_at(began, longer, 50),
        high=_at(began, longer, 95),
        late=late,
        miss=miss,
        risk=_risk(guard, now, miss),
    )


def by_risk(batch: Batch, found: Outlook) -> tuple[int, float, str]:
    """A sort key: the batches that need a look first."""
    return (
        list(Risk).index(found.risk),
        -(found.miss or 0.0),
        batch.deadline_ts or batch.expires_ts or "~",
    )


def as_json(found: Outlook) -> Mapping[str, object]:
    """The estimate as `status --json` has it."""
    return {
        "stage": found.stage.value,
        "p50_ts": to_text(found.low) if found.low else None,
        "p95_ts": to_text(found.high) if found.high else None,
        "history": found.known,
        "like_it": found.like_it,
        "risk": found.risk.value,
        "miss_chance": None if found.miss is None else round(found.miss, 4),
    }


def _stage(batch: Batch) -> Stage:
    if batch.kind == Kind.SYNC or batch.status in (BatchStatus.CANCELING, BatchStatus.ENDED):
        return Stage.ENDING
    if batch.status == BatchStatus.IN_PROGRESS:
        return Stage.RUNNING
    return Stage.NOT_SENT


def _at(began: datetime, seconds: Sequence[float], percent: int) -> datetime | None:
    found = percentile(seconds, percent)
    return None if found is None else began + timedelta(seconds=found)


def _without_odds(guard: datetime | None, now: datetime, otherwise: Risk) -> Risk:
    if guard is None:
        return Risk.NONE
    return Risk.PAST if guard <= now else otherwise


def _risk(guard: datetime | None, now: datetime, miss: float | None) -> Risk:
    if guard is None or miss is None:
        return Risk.NONE
    if guard <= now:
        return Risk.PAST
    if miss >= _HIGH:
        return Risk.HIGH
    return Risk.SOME if miss >= _SOME else Risk.LOW
