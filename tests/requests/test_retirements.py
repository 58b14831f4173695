"""Models that retire: the SDK's list, and the warnings at submit, in `jobs` and in `doctor`."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from anthropic.resources.messages import messages as sdk
from support.builders import a_bench, a_request

from core.clock import SystemClock
from core.config.titan_tables import parse
from core.intake.options import SubmitOptions
from core.reporting.job_status import model_warnings
from core.requests.model_limits import undated
from core.requests.retirements import RETIREMENTS, retires_on, warnings_for

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SONNET = "claude-sonnet-4-5-20250929"


def test_the_table_is_that_of_the_sdk_and_keeps_what_has_retired() -> None:
    listed = dict[str, date]()
    for model, text in sdk.DEPRECATED_MODELS.items():  # pyright: ignore[reportPrivateImportUsage] - the only list
        month, day, year = text.replace(",", "").split()
        plain = f"{month} {day.rstrip('stndrh')} {year}"
        listed[undated(model)] = datetime.strptime(plain, "%B %d %Y").replace(tzinfo=UTC).date()
    dropped = {model: day for model, day in RETIREMENTS.items() if model not in listed}
    assert listed | dropped == RETIREMENTS
    # A later SDK drops models that have retired; a request for one still gets the warning.
    assert all(day < SystemClock().now().date() for day in dropped.values())


@pytest.mark.parametrize(
    ("now", "hours", "words"),
    [
        (NOW, None, f"Model {SONNET} retires on 2026-11-30, in 2 days."),
        (NOW, 72, "before the results are needed: requests that have no answer by then fail"),
        (NOW + timedelta(days=3), None, "retired on 2026-11-30: its requests fail"),
        (NOW - timedelta(days=90), None, None),
    ],
)
def test_a_model_that_retires_before_or_soon_after_the_deadline_is_named(
    now: datetime, hours: int | None, words: str | None
) -> None:
    deadline = None if hours is None else now + timedelta(hours=hours)
    found = list(warnings_for([SONNET, "claude-opus-5"], now=now, deadline=deadline))
    assert len(found) == (words is not None)
    assert all(words in warning for warning in found if words)


def test_a_model_without_an_announced_end_has_none() -> None:
    assert retires_on("claude-opus-5") is None
    assert retires_on("claude-opus-4-5") == date(2027, 1, 22)


def test_submit_warns_about_the_models_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with a_bench(tmp_path / "home") as bench:
        requests = [a_request("a"), a_request("b", model="claude-sonnet-4-5")]
        taken = bench.engine.submit(requests, SubmitOptions(tag="t"))
    assert any("claude-sonnet-4-5 retires on 2026-11-30" in line for line in taken.warnings)


def test_a_job_is_judged_by_its_deadline() -> None:
    text = (
        '[workloads.a]\n[jobs.w]\nworkload = "a"\nschedule = "daily"\n'
        'model = "claude-opus-4-5"\ndeadline_h = {}\n'
    )
    assert not list(model_warnings(parse(text.format(24)), NOW))
    (line,) = model_warnings(parse(text.format(24 * 40)), NOW)
    assert line.startswith("Job w: Model claude-opus-4-5 retires on 2027-01-22, in 55 days")


def test_warnings_are_of_the_named_jobs() -> None:
    jobs = "".join(
        f'[jobs.{name}]\nworkload = "a"\nschedule = "daily"\nmodel = "unknown-{name}"\n'
        for name in ("v", "w")
    )
    (line,) = model_warnings(parse(f"[workloads.a]\n{jobs}"), NOW, names=["w"])
    assert line.startswith("Job w: ")
    assert "unknown-w" in line
