"""Savings of a calendar month, so far and projected. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta

from msgspec import Struct

from core.money.kpis import MONTH_DAYS, SAVED_TARGET_NANO


class Month(Struct, frozen=True, kw_only=True):
    """The calendar month (UTC). Money in nano-dollars.

    `pace_nano` is the daily mean of the `full_days` days before today, at most 30; it and
    `projected_nano` are None before the first full day.
    """

    saved_nano: int
    pace_nano: int | None
    full_days: int
    days_left: int
    target_nano: int = SAVED_TARGET_NANO

    @property
    def projected_nano(self) -> int | None:
        """Savings at the end of the month if every remaining day saves `pace_nano`."""
        if self.pace_nano is None:
            return None
        return self.saved_nano + self.pace_nano * self.days_left

    @property
    def ok(self) -> bool | None:
        """Whether the projection meets the target."""
        projected = self.projected_nano
        return None if projected is None else projected >= self.target_nano


def first_day_needed(today: date) -> date:
    """The first day whose savings `month` needs."""
    return min(today.replace(day=1), today - timedelta(days=MONTH_DAYS))


def month(saved_by_day: Mapping[str, int], today: date) -> Month:
    """The month of that day, from nano-dollars saved by UTC day."""
    began = today.replace(day=1)
    following = (began + timedelta(days=32)).replace(day=1)
    days = {date.fromisoformat(day): nano for day, nano in saved_by_day.items()}
    window = today - timedelta(days=MONTH_DAYS)
    first = min((day for day in days if day >= window), default=today)
    full_days = max(0, (today - first).days)
    whole = sum(nano for day, nano in days.items() if first <= day < today)
    return Month(
        saved_nano=sum(nano for day, nano in days.items() if began <= day <= today),
        pace_nano=whole // full_days if full_days else None,
        full_days=full_days,
        days_left=(following - today).days - 1,
    )
