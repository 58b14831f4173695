"""A time of day, where this machine stands, at which a job's results are due."""

import re
from datetime import UTC, datetime, time, timedelta

from msgspec import Struct

_TEXT = re.compile(r"(tomorrow )?([01]\d|2[0-3]):([0-5]\d)")


class TimeOfDay(Struct, frozen=True):
    """`07:00` is the next one from now, `tomorrow 07:00` that of the next local day."""

    at: time
    tomorrow: bool = False

    def __str__(self) -> str:
        """As titan.toml has it."""
        return f"{'tomorrow ' if self.tomorrow else ''}{self.at:%H:%M}"

    def after(self, now: datetime) -> datetime:
        """The moment that is meant, in UTC; days on which the clock is put forward are 23 hours."""
        today = now.astimezone().date()
        if self.tomorrow:
            return _moment(datetime.combine(today + timedelta(days=1), self.at))
        moment = _moment(datetime.combine(today, self.at))
        return moment if moment > now else _moment(datetime.combine(today + timedelta(1), self.at))


def parse(text: str) -> TimeOfDay | None:
    """`HH:MM` or `tomorrow HH:MM`; None for any other text.

    >>> str(parse("tomorrow 07:00"))
    'tomorrow 07:00'
    """
    found = _TEXT.fullmatch(text)
    return TimeOfDay(time(int(found[2]), int(found[3])), bool(found[1])) if found else None


def _moment(local: datetime) -> datetime:
    """A naive local time by the rules that hold on its own day, not on today's."""
    return local.astimezone(UTC)
