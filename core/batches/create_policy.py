"""What to do next: pure decisions on what was seen."""

import re
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from core.config.durations import GUARD, RETENTION
from core.errors import (
    ApiError,
    NotFound,
    Refused,
    SpendCapReached,
    Throttled,
    Unauthorized,
    Unreachable,
)
from state.model.records import Batch, Collection
from state.model.timestamps import from_text

# A create that is frozen for this long between its record and its POST is not posted.
FROZEN_AFTER_S = 120.0
# No create lasts longer than its time-out, so whoever still sends after this is dead.
SENDING_LEASE = timedelta(minutes=15)
COLLECT_TRIES = 5
_LATE = timedelta(days=1)
_CANCEL_TAKES = timedelta(minutes=10)
# What a batch is given where its workflow has no history: the API says that most end within it.
_USUAL = timedelta(hours=1)
_THROTTLED_HOLD_S = 60.0
_SPEND_CAP_HOLD_S = 6 * 3600.0
_FIRST_LOOK_S = 60.0
_LATEST_LOOK_S = 3600.0
_TOO_LARGE = 413
# So long a full queue is left alone while none of our own batches leaves it: others' may.
_QUEUE_HOLD_S = 3600.0
# A batch of fewer is not cut in two for a full queue: dust would not leave it sooner.
_WORTH_HALVING = 2_000
_NAMED_REQUEST = re.compile(r"\brequests\.(\d{1,6})[.:]")


class Recovery(Struct, frozen=True, kw_only=True):
    """How long an unanswered create may still be taken in; `[recovery]` in titan.toml."""

    settle_after_timeout_s: float = 1800.0
    settle_after_error_s: float = 300.0


class Verdict(StrEnum):
    """What became of a create that failed."""

    RELEASE = "release"
    HALVE = "halve"
    QUEUE_FULL = "queue_full"
    DROP_ONE = "drop_one"
    REFUSE = "refuse"
    UNCERTAIN = "unconfirmed"


class AfterCreate(Struct, frozen=True, kw_only=True):
    """What follows from a failed create.

    `hold_s`: send nothing for so long. `stop`: the next create would fail as this one did.
    `settle_s`: for so long the API may still take an uncertain one in. `position`: which of its
    requests the API named as bad, counted from 0.
    """

    verdict: Verdict
    hold_s: float = 0.0
    stop: bool = True
    settle_s: float = 0.0
    position: int = 0


def after_create(error: ApiError, recovery: Recovery) -> AfterCreate:
    """Whether the API has the batch: surely not, never will, or nobody knows."""
    match error:
        case Unreachable() | Unauthorized() | NotFound():
            return AfterCreate(verdict=Verdict.RELEASE)
        case Throttled() if _is_queue_full(error):
            return AfterCreate(verdict=Verdict.QUEUE_FULL)
        case Throttled():
            return AfterCreate(
                verdict=Verdict.RELEASE, hold_s=error.retry_after_s or _THROTTLED_HOLD_S
            )
        case SpendCapReached():
            return AfterCreate(verdict=Verdict.RELEASE, hold_s=_SPEND_CAP_HOLD_S)
        case Refused():
            return _after_refusal(error)
        case _:
            answered = error.status is not None
            return AfterCreate(
                verdict=Verdict.UNCERTAIN,
                stop=False,
                settle_s=(
                    recovery.settle_after_error_s if answered else recovery.settle_after_timeout_s
                ),
            )


def _is_queue_full(error: Throttled) -> bool:
    """Too many requests wait for the model, not too many calls a minute: only the words tell."""
    return "queue" in str(error).lower()


def queue_hold_s(*, retry_after_s: float | None, own_at_the_api: int) -> float:
    """How long to leave a full queue alone; shorter when a batch of our own ends.

    Where none of ours is in it, nothing of ours can be waited for.
    """
    return _QUEUE_HOLD_S if own_at_the_api else retry_after_s or _THROTTLED_HOLD_S


def is_worth_halving(requests: int) -> bool:
    """Whether a batch that the queue has no room for is better sent as two."""
    return requests >= _WORTH_HALVING


def _after_refusal(error: Refused) -> AfterCreate:
    """A body too large is halved; one bad request, where the API names it, goes alone."""
    if error.status == _TOO_LARGE:
        return AfterCreate(verdict=Verdict.HALVE, stop=False)
    named = _NAMED_REQUEST.search(str(error))
    if named:
        return AfterCreate(verdict=Verdict.DROP_ONE, stop=False, position=int(named[1]))
    return AfterCreate(verdict=Verdict.REFUSE, stop=False)


def next_look(now: datetime, *, failures: int, retry_after_s: float | None) -> datetime:
    """When to ask again after a trouble: the API's own wish, else later each time."""
    wait = min(_FIRST_LOOK_S * 2 ** min(failures, 10), _LATEST_LOOK_S)
    return now + timedelta(seconds=max(wait, retry_after_s or 0.0))


def is_due(batch: Batch, now: datetime) -> bool:
    """Whether nothing speaks against looking at the batch now."""
    return batch.next_poll_ts is None or from_text(batch.next_poll_ts) <= now


def is_past_retention(batch: Batch, now: datetime) -> bool:
    """Whether the API has thrown the results away: 29 days after it took the batch in."""
    return batch.accepted_ts is not None and from_text(batch.accepted_ts) + RETENTION < now


def end_of_collection(batch: Batch) -> Collection | None:
    """How a batch ends whose results are whole by their look and yet lack some: None is not yet."""
    return Collection.COLLECTED if batch.collect_tries + 1 >= COLLECT_TRIES else None


def is_at_risk(
    now: datetime, *, deadline: datetime, sent: datetime | None, usual: timedelta | None
) -> bool:
    """Whether to stop waiting for the batches of a submission and run what is missing.

    Two hours before the deadline in any case; earlier when they have been out for longer than
    nine of ten of their kind, and so little time is left that such a one would be late. What was
    due more than a day ago is late whatever it costs.
    """
    left = deadline - now
    if left <= GUARD:
        return left > -_LATE
    if sent is None or usual is None:
        return False
    return now - sent > usual and left <= usual + _CANCEL_TAKES


def guard_before_the_end(
    now: datetime, *, deadline: datetime, usual: timedelta | None
) -> datetime | None:
    """When `is_at_risk` stops the wait for a batch sent now; None where it has ended by then."""
    guard = deadline - GUARD
    return guard if now + (usual or _USUAL) > guard else None
