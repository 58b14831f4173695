"""The only reader of the system clock, and a manual clock for tests."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Reads the time and sleeps."""

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences have a meaning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


class OffsetClock:
    """Another clock, whose time of day is off by `offset`: that of a server, as this host knows it.

    Hosts with one ledger agree on the time by it, whatever their own clocks say.
    """

    def __init__(self, base: Clock) -> None:
        """Without an offset."""
        self._base = base
        self.offset = timedelta()

    def follow(self, server_now: Callable[[], datetime | None]) -> None:
        """Go by the clock that tells this time; None where there is no such clock."""
        before = self._base.now()
        there = server_now()
        if there is not None:
            self.offset = there - (before + (self._base.now() - before) / 2)

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        return self._base.now() + self.offset

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._base.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep as the other clock does."""
        self._base.sleep(seconds)


class ManualClock:
    """A clock that moves only by `advance`, `jump` and `sleep`."""

    def __init__(self, start: datetime) -> None:
        """Start at an aware time."""
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The current manual time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds of all advances; a `jump` does not count."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Advance without waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    def jump(self, seconds: float) -> None:
        """Change the wall clock only, as a bad time server or a user does."""
        self._now += timedelta(seconds=seconds)
