"""Savings of a calendar month: so far, projected, and the effect of prompt caching. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from core.money.kpis import MONTH_DAYS, SAVED_TARGET_NANO
from core.money.pricing import PriceBook
from state.model.records import BatchKind
from state.queries.spending import CacheTokens

_PICO_PER_NANO = 1_000


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


class CacheEffect(Struct, frozen=True, kw_only=True):
    """Nano-dollars that caching saved (negative: cost) compared with the same tokens uncached.

    `unpriced` cached tokens have no known price and are left out.
    """

    nano: int
    read_tokens: int
    written_tokens: int
    unpriced: int


def cache_effect(used: Iterable[CacheTokens], prices: PriceBook) -> CacheEffect:
    """The effect at each day's prices; for a model with price steps, those of small prompts."""
    pico = read = written = unpriced = 0
    for row in used:
        at = datetime.fromisoformat(row.day).replace(hour=12, tzinfo=UTC)
        rates = prices.rates(row.model, prompt_tokens=0, at=at)
        read += row.read
        written += row.written_5m + row.written_1h
        if rates is None:
            unpriced += row.read + row.written_5m + row.written_1h
            continue
        gained = (
            row.read * (rates.input - rates.cache_read)
            - row.written_5m * (rates.cache_write_5m - rates.input)
            - row.written_1h * (rates.cache_write_1h - rates.input)
        )
        pico += gained if row.kind == BatchKind.SYNC else gained // 2
    return CacheEffect(
        nano=pico // _PICO_PER_NANO, read_tokens=read, written_tokens=written, unpriced=unpriced
    )
