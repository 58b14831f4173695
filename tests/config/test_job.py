"""When a job is due next, from its last submission."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from support.builders import START

from core.config import titan_file
from core.config.job import Job, next_window
from core.config.titan_tables import parse

JOB = parse(titan_file.template()).jobs["titan-daily-feed"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def due(job: Job, now: datetime, deadline: datetime | None = None) -> datetime:
    window = next_window(job, submitted=START, deadline=deadline, now=now)
    assert window is not None
    return window.due


def test_without_any_deadline_there_is_no_window() -> None:
    job = replace(JOB, deadline_h=None, deadline_at=None)
    assert next_window(job, submitted=START, deadline=None, now=START) is None
    assert due(job, START, START + 26 * HOUR) == START + 50 * HOUR


def test_it_is_due_a_period_after_the_last_deadline() -> None:
    assert due(JOB, START + HOUR, START + 26 * HOUR) == START + 50 * HOUR
    job = replace(JOB, deadline_h=20, deadline_at=None)
    assert due(job, START + HOUR) == START + 44 * HOUR


@pytest.mark.parametrize("late", [DAY, 2 * DAY, 40 * DAY])
def test_missed_runs_are_skipped(late: timedelta) -> None:
    now = START + 50 * HOUR + late
    found = due(JOB, now, START + 26 * HOUR)
    assert now < found <= now + DAY
    assert (found - START - 26 * HOUR) % DAY == timedelta(0)


def test_submit_and_fallback_come_before_it() -> None:
    window = next_window(JOB, submitted=START, deadline=START + 26 * HOUR, now=START)
    assert window is not None
    assert (window.submit_from, window.sync_run_at) == (START + DAY, START + 48 * HOUR)
