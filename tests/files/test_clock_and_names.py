"""Clocks, the ledger's times, and names that every file system takes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import START

from core.clock import ManualClock, SystemClock
from state.files.folder import safe_name
from state.model.timestamps import from_text, to_text

MOMENTS = st.datetimes(
    min_value=datetime(1000, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


def test_a_manual_clock_moves_only_by_advance_and_sleep() -> None:
    clock = ManualClock(START)
    clock.sleep(2)
    clock.advance(3)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=5), 5)


def test_a_jump_changes_the_time_of_day_only() -> None:
    clock = ManualClock(START)
    clock.jump(-3600)
    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 0)


def test_the_system_clock_is_aware_and_never_runs_backwards() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


@given(first=MOMENTS, second=MOMENTS)
def test_times_sort_as_they_read_and_come_back_to_the_millisecond(
    first: datetime, second: datetime
) -> None:
    assert len(to_text(first)) == 24
    assert abs(from_text(to_text(first)) - first) < timedelta(milliseconds=1)
    if to_text(first) < to_text(second):
        assert first < second


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert to_text(datetime(2026, 5, 2, 5, 4, 3, 999_999, tzinfo=east)) == (
        "2026-05-02T03:04:03.999Z"
    )


@pytest.mark.parametrize("name", ["feed-classify", "2026-11-22", "A_b-9", "x" * 60, "console"])
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "", "/", "../../etc/passwd", "a/b", "a\\b", "C:\\x", ".hidden", "-rf"),
        *("CON", "nul", "Lpt1", "a.", "a ", "a:b", "a\x00b", "a\nb", "é", "\ud800", "x" * 61),
    ],
)
def test_any_other_name_becomes_one_that_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe != name
    assert safe_name(safe) == safe
    assert 0 < len(safe.encode()) <= 60


@given(first=st.text(), second=st.text())
def test_two_names_never_become_one(first: str, second: str) -> None:
    assert (safe_name(first) == safe_name(second)) == (first == second)
