"""Retry of reads: within a poll for seconds, after it with a backoff per batch.

`create_error_policy.py` lists what a 429 does to each kind of call.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from core.batches.engine_context import Context
from core.errors import ApiError, NoResponse, RateLimited, Unreachable
from state.model.records import Batch
from state.model.timestamps import from_text

_TRIES = 3
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 5.0
_FIRST_BACKOFF_S = 60.0
_LONGEST_BACKOFF_S = 3600.0

Response = TypeVar("Response")


def with_retries(context: Context, call: Callable[[], Response]) -> Response:
    """Make the call up to three times within seconds. Raises the last ApiError."""
    for number in range(1, _TRIES):
        try:
            return call()
        except (NoResponse, Unreachable, RateLimited) as error:
            wait = _wait_s(error, number)
            if wait > _LONGEST_WAIT_S:
                raise
            context.clock.sleep(wait * context.rng.uniform(0.75, 1.0))
    return call()


def _wait_s(error: ApiError, number: int) -> float:
    return max(_FIRST_WAIT_S * 2 ** (number - 1), error.retry_after_s or 0.0)


def next_poll_at(now: datetime, *, failures: int, retry_after_s: float | None) -> datetime:
    """When to poll a batch again: exponential backoff, never before the API's retry-after."""
    wait = min(_FIRST_BACKOFF_S * 2 ** min(failures, 10), _LONGEST_BACKOFF_S)
    return now + timedelta(seconds=max(wait, retry_after_s or 0.0))


def is_due(batch: Batch, now: datetime) -> bool:
    """Whether the batch's backoff is over."""
    return batch.next_poll_ts is None or from_text(batch.next_poll_ts) <= now
