"""A job of titan.toml gives the defaults of its submissions; arguments override them."""

import json
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import START, Bench, a_bench, a_request, some_requests

from core.config.job import next_time_of_day
from core.config.titan_tables import parse
from core.errors import PayloadError, SettingsError
from core.intake.options import SubmitOptions
from core.intake.submit import SubmitResult
from state.files.file_store import LOCAL_FILES
from state.files.spool import LineReader
from state.model.records import OnFailure
from state.model.timestamps import from_text
from state.queries import batch_list, ledger_status
from titan_console.sandbox.model.timing import Plan

TOML = """
[workloads.t]
[jobs.nightly]
workload = "t"
schedule = "nightly"
model = "claude-haiku-5-5"
deadline_h = 26
on_failure = "sync"
cache = "upgrade"
betas = ["context-1m-2025-08-07"]
"""
SHORT = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        (tmp_path / "titan.toml").write_text(TOML, "utf-8")
        yield bench


def _submit(bench: Bench, *requests: dict[str, object], **options: Any) -> SubmitResult:
    given: dict[str, Any] = {"tag": "t", "workflow": "nightly"} | options
    return bench.engine.submit(requests or some_requests(2), SubmitOptions(**given))


def _bodies(bench: Bench, submitted: SubmitResult) -> list[Any]:
    rows = bench.engine.context.ledger.rows(
        "SELECT spool_file, body_offset, body_length FROM requests WHERE submission_id = ?"
        " ORDER BY id",
        submitted.submission.id,
    )
    with LineReader(bench.folder.spool, LOCAL_FILES) as lines:
        return [json.loads(lines.read(*row))["params"] for row in rows]


def test_the_job_gives_the_defaults(bench: Bench) -> None:
    submitted = _submit(bench)
    taken = submitted.submission
    assert (taken.job, taken.model) == ("nightly", "claude-haiku-5-5")
    assert taken.on_failure == OnFailure.SYNC
    assert from_text(taken.deadline_ts or "") == START + timedelta(hours=26)
    assert [body["model"] for body in _bodies(bench, submitted)] == ["claude-haiku-5-5"] * 2
    (batch,) = batch_list.batches_of(bench.engine.context.ledger, taken)
    assert batch.betas == ("context-1m-2025-08-07",)
    assert batch.deadline_ts == taken.deadline_ts
    assert submitted.warnings == ()


def test_arguments_of_the_call_override_the_job(bench: Bench) -> None:
    submitted = _submit(
        bench,
        a_request("a"),
        a_request("b", model="claude-opus-5"),
        model="claude-sonnet-4-6",
        deadline=START + timedelta(hours=9),
        on_failure=OnFailure.QUEUE,
        betas=(),
    )
    taken = submitted.submission
    models = [body["model"] for body in _bodies(bench, submitted)]
    assert models == ["claude-sonnet-4-6", "claude-opus-5"]
    assert (taken.model, taken.on_failure) == ("claude-sonnet-4-6", OnFailure.QUEUE)
    assert from_text(taken.deadline_ts or "") == START + timedelta(hours=9)
    (batch,) = batch_list.batches_of(bench.engine.context.ledger, taken)
    assert batch.betas == ()


@pytest.mark.parametrize(
    ("options", "custom_id", "job"),
    [
        ({"workflow": None}, "nightly-2026-11-22-001", "nightly"),
        ({"workflow": None, "tag": "nightly-2026-11-22"}, "a", "nightly"),
        ({"workflow": "another"}, "nightly-2026-11-22-001", None),
        ({"workflow": "another", "job": "nightly"}, "a", "nightly"),
        ({"workflow": None}, "another-2026-11-22-001", None),
    ],
)
def test_the_job_is_found_by_job_workflow_or_custom_id(
    bench: Bench, options: dict[str, Any], custom_id: str, job: str | None
) -> None:
    taken = _submit(bench, a_request(custom_id), **options).submission
    assert taken.job == job
    assert taken.model == ("claude-haiku-5-5" if job else "claude-sonnet-4-6")
    assert (taken.deadline_ts is None) == (job is None)


def test_an_unknown_job_is_an_error_with_a_suggestion(bench: Bench) -> None:
    with pytest.raises(PayloadError, match="did you mean nightly") as caught:
        _submit(bench, job="nightli")
    assert caught.value.code == "unknown_job"
    assert ledger_status.totals(bench.engine.context.ledger).requests == 0


@pytest.mark.parametrize("table", ["budget", "never_bach", "price", "spending"])
def test_an_unknown_table_that_may_hide_a_limit_stops_submissions(bench: Bench, table: str) -> None:
    path = bench.folder.root / "titan.toml"
    path.write_text(f"{TOML}\n[{table}]\nmonth_usd = 1\n", "utf-8")
    with pytest.raises(SettingsError, match=table):
        _submit(bench)
    assert ledger_status.totals(bench.engine.context.ledger).requests == 0


def test_a_problem_in_a_jobs_table_stops_only_that_job(bench: Bench) -> None:
    path = bench.folder.root / "titan.toml"
    path.write_text(TOML.replace("deadline_h = 26", "deadlin_h = 26"), "utf-8")
    with pytest.raises(SettingsError, match="did you mean deadline_h") as caught:
        _submit(bench)
    assert caught.value.code == "unknown_key"
    assert _submit(bench, workflow="another").problem is None


def test_caching_is_upgraded_and_a_repeated_call_is_still_the_same(
    bench: Bench,
) -> None:
    first = _submit(bench, a_request("a", cache_control=SHORT))
    assert _bodies(bench, first)[0]["cache_control"] == HOUR
    again = _submit(bench, a_request("a", cache_control=SHORT))
    assert (again.repeated, again.submission.key) == (True, first.submission.key)
    bench.poll_after(60)
    assert [result["outcome"] for result in bench.engine.results("t")] == ["succeeded"]
    assert bench.sandbox.billing_log().creates == 1


def test_without_the_job_five_minute_caching_is_rejected(bench: Bench) -> None:
    with pytest.raises(PayloadError) as caught:
        _submit(bench, a_request("a", cache_control=SHORT), workflow="another")
    assert caught.value.code == "cache_ttl_too_short"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("text", ["07:00", "tomorrow 07:00", "02:30", "23:59"])
def test_a_time_of_day_is_the_next_one_on_the_clocks_of_this_machine(
    zone: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its zone for a process")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        # Over both changes of the clock of a year, hour by hour.
        for start in (datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC)):
            for hour in range(24 * 26):
                now = start + timedelta(hours=hour, minutes=7)
                moment = next_time_of_day(text, now)
                here = moment.astimezone()
                days = here.date() - now.astimezone().date()
                assert now < moment <= now + timedelta(hours=49)
                assert days <= timedelta(days=1)
                assert days == timedelta(days=1) or not text.startswith("tomorrow")
                if text != "02:30":
                    assert f"{here:%H:%M}" == text[-5:]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_deadline_of_a_time_of_day_is_kept_as_a_moment(bench: Bench) -> None:
    path = bench.folder.root / "titan.toml"
    path.write_text(TOML.replace("deadline_h = 26", 'deadline_at = "tomorrow 07:00"'), "utf-8")
    taken = _submit(bench).submission
    here = from_text(taken.deadline_ts or "").astimezone()
    assert f"{here:%H:%M}" == "07:00"
    assert here.date() == START.astimezone().date() + timedelta(days=1)


@pytest.mark.parametrize("text", ["7:00", "24:00", "07:60", "today 07:00", "07:00 "])
def test_an_invalid_time_of_day_is_a_problem(text: str) -> None:
    (problem,) = parse(TOML.replace("deadline_h = 26", f'deadline_at = "{text}"')).problems
    assert "line 7: jobs.nightly.deadline_at: must be a local time such as '07:00'" in str(problem)


def test_two_deadlines_are_a_problem() -> None:
    (problem,) = parse(f'{TOML}deadline_at = "07:00"\n').problems
    assert (problem.path[-1], problem.code) == ("deadline_at", "conflicting_keys")


def test_an_unknown_model_is_accepted_with_a_warning(bench: Bench) -> None:
    submitted = _submit(
        bench,
        a_request("a", model="claude-opus-4-5-20251101"),
        a_request("b", model="claude-hiaku-5-5"),
        a_request("c", model="claude-hiaku-5-5"),
        a_request("d", model="my-own"),
    )
    assert submitted.warnings == (
        (
            "Unknown model 'claude-hiaku-5-5'; the API decides whether it exists."
            " Did you mean claude-haiku-5-5?"
        ),
        "Unknown model 'my-own'; the API decides whether it exists.",
    )
    assert bench.sandbox.billing_log().creates == 1


def test_a_model_that_titan_toml_has_a_price_for_is_known(bench: Bench) -> None:
    path = bench.folder.root / "titan.toml"
    prices = "[[prices.my-own]]\nfrom = 2026-01-01\ninput = 1.0\noutput = 2.0\n"
    path.write_text(TOML + prices, "utf-8")
    assert _submit(bench, model="my-own").warnings == ()


@pytest.mark.parametrize(
    ("minutes", "when"), [(90, "at the next poll"), (150, "at 2026-11-22T06:30")]
)
def test_a_deadline_too_close_for_a_batch_is_accepted_with_a_warning(
    bench: Bench, minutes: int, when: str
) -> None:
    (warning,) = _submit(bench, deadline=START + timedelta(minutes=minutes)).warnings
    assert f"requests that have no result {when}" in warning


def test_the_warning_about_a_close_deadline_is_true(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        deadline = START + timedelta(minutes=150)
        bench.engine.submit(some_requests(3), SubmitOptions(tag="t", deadline=deadline))
        bench.poll_after(29 * 60)
        assert len(bench.sandbox.billing_log().messages) == 0
        bench.poll_after(61)
        bench.poll_after(60)
        assert len(bench.sandbox.billing_log().messages) == 3


def test_what_is_too_close_depends_on_the_workflows_history(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(4 * 3600, 4 * 3600)) as bench:
        for number in range(5):
            bench.submit(1, tag=f"history-{number}")
            bench.poll_after(4 * 3600 + 60)
            bench.poll_after(60)
        now = bench.clock.now()
        close = bench.submit(1, tag="close", deadline=now + timedelta(hours=5))
        far = bench.submit(1, tag="far", deadline=now + timedelta(hours=7))
        (warning,) = close.warnings
        assert "90 % of the batches of feed-classify took up to 24" in warning
        assert far.warnings == ()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"reask": 6}, "reask_invalid"),
        ({"reask": True}, "reask_invalid"),
        ({"continue_turns": -1}, "continue_turns_invalid"),
        ({"output": {"type": "object"}}, "schema_unsupported"),
    ],
)
def test_follow_ups_and_a_schema_that_cannot_be_are_refused_before_anything_is_stored(
    bench: Bench, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(PayloadError) as refused:
        _submit(bench, **options)
    assert refused.value.code == code
    assert ledger_status.requests_by_status(bench.engine.context.ledger) == {}
