"""The provider's limits: rows in the queue, and calls per minute."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from titan_console.sandbox.model.envelopes import ErrorResponse

_MINUTE = 60.0
_UNLIMITED_RPM = 4_000  # what the headers name where no limit is enforced


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an organisation may do at once; rpm None enforces nothing."""

    queue: int = 200_000
    rpm: int | None = None

    def check_queue(self, waiting: int, new: int) -> None:
        """Refuse a create that would overfill the queue."""
        if waiting + new > self.queue:
            raise ErrorResponse(
                429,
                f"Your organization has {waiting} batch requests in the processing queue and this"
                f" batch has {new}, which would exceed the limit of {self.queue}. Please try again"
                " later.",
                headers={"retry-after": "60"},
            )


class RateLimiter:
    """A token bucket over all batch calls."""

    def __init__(self, limits: Limits, now: datetime) -> None:
        """Start with a full bucket."""
        self._size = limits.rpm or _UNLIMITED_RPM
        self._enforced = limits.rpm is not None
        self._left = float(self._size)
        self._at = now

    def take(self, now: datetime) -> None:
        """Count one call, or refuse it."""
        rate = self._size / _MINUTE
        passed = max((now - self._at).total_seconds(), 0.0)
        self._left = min(self._left + passed * rate, float(self._size))
        self._at = now
        if self._left >= 1:
            self._left -= 1
        elif self._enforced:
            wait = math.ceil((1 - self._left) / rate)
            raise ErrorResponse(
                429,
                f"This request would exceed your organization's rate limit of {self._size}"
                " requests per minute for the Message Batches API.",
                headers={"retry-after": str(wait)},
            )

    def headers(self) -> dict[str, str]:
        """What is left, as the API tells it."""
        missing = (self._size - self._left) * _MINUTE / self._size
        reset = self._at + timedelta(seconds=missing)
        return {
            "anthropic-ratelimit-requests-limit": str(self._size),
            "anthropic-ratelimit-requests-remaining": str(int(self._left)),
            "anthropic-ratelimit-requests-reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
