"""When a batch is too late for its deadline, so that its requests should run synchronously."""

from datetime import datetime, timedelta

from core.config.durations import DEADLINE_LEAD

_TOO_LATE = timedelta(days=1)
_CANCEL_TAKES = timedelta(minutes=10)
# For a workflow without history: the API's documentation says that most batches end within it.
USUAL = timedelta(hours=1)


def is_at_risk(
    now: datetime, *, deadline: datetime, sent: datetime | None, usual: timedelta | None
) -> bool:
    """Whether to stop waiting for the batches of a submission and run the missing requests.

    True from two hours before the deadline on; earlier when the batches have taken longer than
    nine of ten of their workflow (`usual`) and too little time is left for another one of those.
    False again from one day after the deadline on.
    """
    left = deadline - now
    if left <= DEADLINE_LEAD:
        return left > -_TOO_LATE
    if sent is None or usual is None:
        return False
    return now - sent > usual and left <= usual + _CANCEL_TAKES


def expected_guard_time(
    now: datetime, *, deadline: datetime, usual: timedelta | None
) -> datetime | None:
    """When `is_at_risk` stops a batch sent now; None where it should have ended by then."""
    guard = deadline - DEADLINE_LEAD
    return guard if now + (usual or USUAL) > guard else None
