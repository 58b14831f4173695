"""Automatic replay of requests that the API failed at, and the circuit breaker that stops it."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench

from core.commands import planner
from core.commands.auto_replay import is_circuit_open
from core.commands.planner import CommandRequest
from state.operations import alerts, commands
from state.operations.commands import Action
from state.operations.failures import RecentOutcomes
from state.operations.selection import Filter
from state.queries import ledger_status
from titan_console.sandbox.model.timing import Plan

_JOB = """
[workloads.tier-1]
[jobs.feed-classify]
workload = "tier-1"
schedule = "daily"
replay = "auto"
replay_tries = 2
"""


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once, with a job that is replayed by itself."""
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        (bench.folder.root / "titan.toml").write_text(_JOB)
        yield bench


def _polls(bench: Bench, count: int) -> None:
    for _ in range(count):
        bench.poll_after(900)


def _outcomes(bench: Bench, key: str) -> list[str | None]:
    return [result["outcome"] for result in bench.engine.results(key)]


def _replays(bench: Bench) -> list[int]:
    given = commands.latest(bench.engine.context.ledger, limit=99)
    return [command.item_count for command in given if command.action == Action.REPLAY]


def _alerts(bench: Bench) -> list[str]:
    raised = alerts.raised(bench.engine.context.ledger)
    return [alert.message for alert in raised if alert.rule == "replay"]


def test_api_failures_are_retried_automatically(bench: Bench) -> None:
    bench.faults.add("row:overloaded:id=*-00002-*")
    bench.faults.add("row:invalid:id=*-00003-*")
    key = bench.submit(3).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    _polls(bench, 2)
    assert _outcomes(bench, key) == ["succeeded", "succeeded", "errored"]
    assert _replays(bench) == [1]
    assert bench.sandbox.billing_log().creates == 2


def test_a_request_is_retried_a_limited_number_of_times(bench: Bench) -> None:
    for number in range(3):
        bench.submit(4, tag=f"good-{number}")
    bench.poll_after(60)
    bench.faults.add("row:overloaded:p=1")
    bench.submit(1)
    _polls(bench, 8)
    assert len(_replays(bench)) == 2


def test_a_job_that_does_not_say_so_waits_for_an_operator(bench: Bench) -> None:
    (bench.folder.root / "titan.toml").write_text(_JOB.replace('"auto"', '"by-hand"'))
    bench.faults.add("row:overloaded:p=1")
    bench.submit(1)
    _polls(bench, 3)
    assert _replays(bench) == []


def test_what_failed_days_ago_stays_history(bench: Bench) -> None:
    (bench.folder.root / "titan.toml").unlink()
    bench.faults.add("row:overloaded:p=1")
    bench.submit(2)
    _polls(bench, 1)
    bench.clock.advance(25 * 3600)
    (bench.folder.root / "titan.toml").write_text(_JOB)
    _polls(bench, 2)
    assert _replays(bench) == []


def test_what_an_operator_has_in_hand_is_left_to_the_operator(bench: Bench) -> None:
    (bench.folder.root / "titan.toml").unlink()
    bench.faults.add("row:overloaded:p=1")
    key = bench.submit(3).submission.key
    bench.poll_after(60)
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)))
    )
    planner.submit(bench.engine.context, planned, delay=timedelta(hours=9))
    (bench.folder.root / "titan.toml").write_text(_JOB)
    _polls(bench, 3)
    assert _replays(bench) == [3]
    assert bench.sandbox.billing_log().creates == 1


def test_a_bad_run_stops_it_with_an_alert_and_an_operators_replay_starts_it_again(
    bench: Bench,
) -> None:
    bench.faults.add("row:overloaded:p=1")
    for number in range(3):
        bench.submit(5, tag=f"bad-{number}")
    _polls(bench, 4)
    assert bench.sandbox.billing_log().creates == 3
    assert _replays(bench) == []
    (said,) = _alerts(bench)
    assert "only 0 of the last 15 answers succeeded; 15 errored requests not replayed" in said
    assert "titan-console replay --workflow feed-classify" in said
    bench.faults.clear()
    wanted = Filter(names=("bad-0", "bad-1"))
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.REPLAY, wanted=wanted)
    )
    planner.submit(bench.engine.context, planned, delay=timedelta())
    _polls(bench, 4)
    assert ledger_status.totals(bench.engine.context.ledger).failed_requests == 0
    assert _alerts(bench) == []


@pytest.mark.parametrize(
    ("recent", "stops"),
    [
        (RecentOutcomes(batches=2, answers=100, succeeded=0), False),
        (RecentOutcomes(batches=3, answers=100, succeeded=49), True),
        (RecentOutcomes(batches=3, answers=100, succeeded=50), False),
        (RecentOutcomes(batches=0, answers=0, succeeded=0), False),
    ],
)
def test_the_breaker_opens_under_half_of_three_batches(recent: RecentOutcomes, stops: bool) -> None:
    assert is_circuit_open(recent) is stops
