"""The figures of thirty days' savings, read at one moment: for the screen and its JSON twin."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct

from core.money.kpis import MONTH_DAYS
from core.money.month import CacheEffect, Month, cache_effect, first_day_needed, month
from core.money.pricing import PriceBook, dollars
from state.db.reader import Source
from state.queries import spending
from state.queries.spending import Spending

BY = ("workflow", "model", "day")


class Savings(Struct, frozen=True, kw_only=True):
    """Sums `by` workflow, model and day since `since_day`, and what they come to."""

    today: date
    since_day: str
    by: Mapping[str, Sequence[Spending]]
    month: Month
    cache: CacheEffect

    @property
    def saved_nano(self) -> int:
        """What was saved since that day."""
        return sum(row.savings_nano for row in self.by["day"])

    @property
    def sync_cost_nano(self) -> int:
        """What the same answers would have cost synchronously."""
        return sum(row.sync_cost_nano for row in self.by["day"])

    @property
    def duplicate_nano(self) -> int:
        """What was paid for answers that were there already."""
        return sum(row.duplicate_nano for row in self.by["day"])

    @property
    def unpriced(self) -> int:
        """How many answers of unknown models are left out."""
        return sum(row.unpriced for row in self.by["day"])

    def days(self) -> list[str]:
        """Every UTC day of the thirty, the earliest first."""
        first = date.fromisoformat(self.since_day)
        return [str(first + timedelta(days=n)) for n in range(MONTH_DAYS)]


def read(source: Source, prices: PriceBook, today: date) -> Savings:
    """What was collected in the last thirty UTC days, today's among them."""
    since_day = str(today - timedelta(days=MONTH_DAYS - 1))
    needed = spending.by_day_column(source, "day", since_day=str(first_day_needed(today)))
    by = {name: spending.by_day_column(source, name, since_day=since_day) for name in BY}
    return Savings(
        today=today,
        since_day=since_day,
        by=by,
        month=month({row.name: row.savings_nano for row in needed}, today),
        cache=cache_effect(spending.cached_tokens(source, since_day=since_day), prices),
    )


def as_json(found: Savings) -> dict[str, object]:
    """What `savings --month --json` prints."""
    ahead = found.month
    return {
        "since": found.since_day,
        "savings_usd": _usd(found.saved_nano),
        "sync_usd": _usd(found.sync_cost_nano),
        "duplicate_spend_usd": _usd(found.duplicate_nano),
        "unpriced": found.unpriced,
        "month": {
            "savings_usd": _usd(ahead.saved_nano),
            "a_day_usd": _usd(ahead.pace_nano),
            "full_days": ahead.full_days,
            "days_left": ahead.days_left,
            "projected_usd": _usd(ahead.projected_nano),
            "target_usd": _usd(ahead.target_nano),
            "ok": ahead.ok,
        },
        "cache": {
            "savings_usd": _usd(found.cache.nano),
            "tokens_read": found.cache.read_tokens,
            "tokens_written": found.cache.written_tokens,
            "tokens_unpriced": found.cache.unpriced,
        },
    }


def _usd(nano: int | None) -> float | None:
    return None if nano is None else float(dollars(nano))
