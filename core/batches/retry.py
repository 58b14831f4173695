"""Reads from the API, tried again a little while: what is longer waits for the next poll."""

from collections.abc import Callable
from typing import TypeVar

from core.batches.context import Context
from core.errors import ApiError, Throttled, Unanswered, Unreachable

_TRIES = 3
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 5.0

Answer = TypeVar("Answer")


def read(context: Context, call: Callable[[], Answer]) -> Answer:
    """Call, and call again after a passing trouble. Raises the last ApiError."""
    for number in range(1, _TRIES):
        try:
            return call()
        except (Unanswered, Unreachable, Throttled) as error:
            wait = _wait(error, number)
            if wait > _LONGEST_WAIT_S:
                raise
            context.clock.sleep(wait * context.rng.uniform(0.75, 1.0))
    return call()


def _wait(error: ApiError, number: int) -> float:
    return max(_FIRST_WAIT_S * 2 ** (number - 1), error.retry_after_s or 0.0)
