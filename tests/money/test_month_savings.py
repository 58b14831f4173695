"""Savings of a month, and the effect of caching."""

from datetime import date

from core.money.month import first_day_needed, month

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
