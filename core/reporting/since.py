"""Parses durations, and `--since`: a span before now, `today`, or a date."""

import re
from datetime import UTC, datetime, timedelta

from core.errors import InputError

_SPAN = re.compile(r"(\d{1,5})(s|m|h|d|w)")
# Before any batch, unless the clock of the machine is wrong: then a span must still do.
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=3650)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime, *, option: str = "--since") -> datetime:
    """The start of the range, in UTC. Raises InputError.

    >>> now = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    >>> parse_since("1h", now).isoformat(), parse_since("today", now).isoformat()
    ('2026-11-22T14:30:00+00:00', '2026-11-22T00:00:00+00:00')
    """
    now = now.astimezone(UTC)
    if text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    span = _span(text)
    try:
        moment = datetime.fromisoformat(text) if span is None else now - span
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        moment = datetime.min.replace(tzinfo=UTC)
    if moment < min(_FIRST, now - _LONGEST):
        wanted = (
            "is not a time; use 1h, today, 30d or a date (2026-11-22)."
            if option == "--since"
            else "is not an age; use 90d or 12h, or a date (2026-11-22): older than that day."
        )
        raise InputError(f"{option} {text!r:.40} {wanted}", code="invalid_time")
    return moment


def parse_duration(text: str, *, option: str) -> timedelta:
    """A span of time; a number without a unit is seconds. Raises InputError.

    >>> str(parse_duration("90", option="--every")), str(parse_duration("6h", option="--every"))
    ('0:01:30', '6:00:00')
    """
    span = _span(f"{text}s" if text.isdecimal() else text)
    if span is None or span > _LONGEST:
        raise InputError(
            f"{option} {text!r:.40} is not a duration; use 90s, 30m, 6h or 2d.",
            code="invalid_duration",
        )
    return span


def _span(text: str) -> timedelta | None:
    found = _SPAN.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
