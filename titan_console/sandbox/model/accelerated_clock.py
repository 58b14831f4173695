"""A clock that runs faster than its base clock, and can be moved forward."""

from datetime import datetime, timedelta

from core.clock import Clock


class AcceleratedClock:
    """One second of the base clock is `speed` seconds here."""

    def __init__(self, base: Clock, *, speed: float = 1.0) -> None:
        """Start at the base clock's time."""
        if speed <= 0:
            raise ValueError(f"The speed must be greater than 0, not {speed:g}")
        self._base = base
        self._speed = speed
        self._start = base.now()
        self._origin = base.monotonic()
        self._advanced = 0.0

    def now(self) -> datetime:
        """The time of day here."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the start, as they pass here."""
        return (self._base.monotonic() - self._origin) * self._speed + self._advanced

    def sleep(self, seconds: float) -> None:
        """Wait until that many seconds have passed here."""
        self._base.sleep(seconds / self._speed)

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass at once."""
        self._advanced += seconds
