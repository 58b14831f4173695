"""A local time of day at which a job's results are due: `07:00` or `tomorrow 07:00`."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from msgspec import Meta

# `07:00` is the next one from now, `tomorrow 07:00` that of the next local day.
TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^(tomorrow )?([01]\d|2[0-3]):[0-5]\d\Z", description="'07:00' or 'tomorrow 07:00'"
    ),
]


def next_after(text: TimeOfDay, now: datetime) -> datetime:
    """The moment in UTC, by this machine's time zone; a day with a clock change keeps the hour."""
    today, at = now.astimezone().date(), time.fromisoformat(text[-5:])
    tomorrow = _moment(datetime.combine(today + timedelta(days=1), at))
    if text.startswith("tomorrow"):
        return tomorrow
    moment = _moment(datetime.combine(today, at))
    return moment if moment > now else tomorrow


def _moment(local: datetime) -> datetime:
    """A naive local time by the rules of its own day, not of today."""
    return local.astimezone(UTC)
