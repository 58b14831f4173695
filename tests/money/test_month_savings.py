"""Savings of a month, and the effect of caching."""

from datetime import UTC, date, datetime

import pytest

from core.money.month import CacheEffect, cache_effect, first_day_needed, month
from core.money.pricing import PriceBook
from state.model.records import BatchKind, Usage
from state.queries.spending import CacheTokens

DOLLAR = 10**9


def test_the_projection_adds_the_days_to_come_at_the_mean_of_whole_days() -> None:
    found = month({"2026-05-01": 2 * DOLLAR, "2026-05-02": DOLLAR}, date(2026, 5, 3))
    assert (found.saved_nano, found.full_days, found.days_left) == (3 * DOLLAR, 2, 28)
    assert found.pace_nano == 1.5 * DOLLAR
    assert found.projected_nano == 3 * DOLLAR + 28 * 1.5 * DOLLAR
    assert found.ok


def test_days_without_savings_count_and_today_does_not() -> None:
    found = month({"2026-05-01": 3 * DOLLAR, "2026-05-04": 100 * DOLLAR}, date(2026, 5, 4))
    assert (found.pace_nano, found.full_days) == (DOLLAR, 3)


def test_before_a_full_day_has_passed_there_is_no_projection() -> None:
    found = month({"2026-05-04": 5 * DOLLAR}, date(2026, 5, 4))
    assert (found.saved_nano, found.projected_nano, found.ok) == (5 * DOLLAR, None, None)


def test_only_thirty_days_make_the_pace_and_only_this_month_counts() -> None:
    days = {"2026-03-31": 900 * DOLLAR, "2026-04-29": 30 * DOLLAR, "2026-05-02": DOLLAR}
    found = month(days, date(2026, 5, 2))
    assert (found.saved_nano, found.pace_nano, found.full_days) == (DOLLAR, 10 * DOLLAR, 3)
    assert first_day_needed(date(2026, 5, 2)) == date(2026, 4, 2)
    assert first_day_needed(date(2026, 5, 31)) == date(2026, 5, 1)


def test_the_last_day_of_a_year_has_no_days_left() -> None:
    assert month({}, date(2026, 12, 31)).days_left == 0


@pytest.mark.parametrize("kind", BatchKind)
def test_the_cache_effect_is_the_difference_to_the_same_tokens_uncached(kind: BatchKind) -> None:
    prices = PriceBook()
    at = datetime(2026, 5, 2, 12, tzinfo=UTC)
    cached = Usage(cache_write_5m_tokens=3000, cache_write_1h_tokens=1000, cache_read_tokens=9000)
    model = "claude-haiku-4-5"
    with_cache, _ = prices.price(model, cached, at=at, kind=kind)
    without, _ = prices.price(model, Usage(input_tokens=13_000), at=at, kind=kind)
    assert with_cache is not None
    assert without is not None
    row = CacheTokens(
        day="2026-05-02", model=model, kind=kind, written_5m=3000, written_1h=1000, read=9000
    )
    assert cache_effect([row], prices) == CacheEffect(
        nano=without - with_cache, read_tokens=9000, written_tokens=4000, unpriced=0
    )


def test_cached_tokens_without_a_price_are_counted_and_left_out() -> None:
    row = CacheTokens(
        day="2026-05-02", model="gpt-9", kind=BatchKind.BATCH, written_5m=0, written_1h=5, read=7
    )
    assert cache_effect([row], PriceBook()) == CacheEffect(
        nano=0, read_tokens=7, written_tokens=5, unpriced=12
    )
