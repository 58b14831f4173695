"""Deadlines: what a batch does not bring in time is run synchronously, and only that."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench, a_request, some_requests

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.intake.options import SubmitOptions
from core.reporting.email_digest import digest, lines
from state.model.records import Batch, BatchKind
from state.operations import commands
from state.operations.commands import Action, CommandState, NewCommand
from state.operations.selection import Filter
from state.queries import batch_list, event_list, ledger_status
from titan_console.sandbox.model.timing import Plan

_QUARTER = 900


def _batches(bench: Bench) -> list[Batch]:
    (submission,) = batch_list.submissions_of(bench.engine.context.ledger, "daily-feed")
    return batch_list.batches_of(bench.engine.context.ledger, submission)


def _submit(bench: Bench, hours: float, count: int = 6) -> str:
    deadline = bench.clock.now() + timedelta(hours=hours)
    return bench.submit(count, deadline=deadline).submission.key


def _run(bench: Bench, hours: float) -> None:
    for _ in range(int(hours * 4)):
        bench.poll_after(_QUARTER)


def test_a_batch_that_hangs_until_two_hours_before_is_run_synchronously(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        key = _submit(bench, hours=10)
        _run(bench, hours=7.75)
        assert [batch.kind for batch in _batches(bench)] == [BatchKind.BATCH]
        _run(bench, hours=1)
        assert [batch.kind for batch in _batches(bench)] == [BatchKind.BATCH, BatchKind.SYNC]
        assert [result["outcome"] for result in bench.engine.results(key)] == ["succeeded"] * 6
        assert len(list(bench.sandbox.billing_log().billed())) == 6
        assert ledger_status.totals(bench.engine.context.ledger).duplicate_nano == 0


def test_only_what_the_cancelled_batch_did_not_bring_is_run(tmp_path: Path) -> None:
    plan = Plan(shortest=9 * 3600, longest=9 * 3600, cancel=60, grace=30)
    with a_bench(tmp_path, plan=plan, seed=3) as bench:
        key = _submit(bench, hours=10, count=20)
        _run(bench, hours=9)
        first, *others = _batches(bench)
        assert first.counts.succeeded + sum(b.counts.succeeded for b in others) == 20
        assert sum(batch.request_count for batch in others) == 20 - first.counts.succeeded
        assert [result["outcome"] for result in bench.engine.results(key)] == ["succeeded"] * 20
        assert len(list(bench.sandbox.billing_log().billed())) == 20


def test_a_batch_that_ends_during_the_cancel_needs_no_synchronous_run(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=7200)) as bench:
        key = _submit(bench, hours=10)
        _run(bench, hours=8)
        (book,) = bench.sandbox.billing_log().batches
        bench.sandbox.end(book.batch_id, dict.fromkeys(book.custom_ids, "succeeded"))
        _run(bench, hours=0.5)
        assert [batch.kind for batch in _batches(bench)] == [BatchKind.BATCH]
        assert [result["outcome"] for result in bench.engine.results(key)] == ["succeeded"] * 6
        (command,) = commands.latest(bench.engine.context.ledger, limit=9)
        assert command.state == CommandState.DONE


def test_after_an_unseen_end_only_errored_requests_run(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(60, 60)) as bench:
        bench.sandbox.faults.add("row:overloaded:id=*-00002-*")
        key = _submit(bench, hours=3)
        done = bench.poll_after(1.5 * 3600)
        assert "running up to 6 requests synchronously" in done.commands[0]
        assert [batch.request_count for batch in _batches(bench)] == [6, 1]
        assert [result["outcome"] for result in bench.engine.results(key)] == ["succeeded"] * 6
        assert len(list(bench.sandbox.billing_log().billed())) == 6


@pytest.mark.parametrize(
    ("fault", "billed"), [("row:overloaded:id=*-00002-*", 6), ("results:missing", 7)]
)
def test_what_failed_or_never_came_long_before_is_run_once_before_the_deadline(
    tmp_path: Path, fault: str, billed: int
) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(60, 60)) as bench:
        bench.sandbox.faults.add(fault)
        key = _submit(bench, hours=10)
        _run(bench, hours=7.75)
        assert [batch.request_count for batch in _batches(bench)] == [6]
        _run(bench, hours=1)
        assert [batch.request_count for batch in _batches(bench)] == [6, 1]
        results = list(bench.engine.results(key))
        assert [result["outcome"] for result in results] == ["succeeded"] * 6
        (delivered,) = bench.engine.context.folder.staging.iterdir()
        assert delivered.read_text().count('"outcome":"succeeded"') == 6
        assert len(list(bench.sandbox.billing_log().billed())) == billed


@pytest.mark.parametrize(("fault", "runs", "billed"), [("drop", 1, 3), ("529", 7, 0)])
def test_a_lost_synchronous_answer_is_not_paid_for_again_and_a_busy_api_is_asked_until_the_end(
    tmp_path: Path, fault: str, runs: int, billed: int
) -> None:
    # A long output goes into a batch of its own, which stays: the submission is not over.
    long_one = a_request("feed-classify-2026-11-22-90000", max_tokens=200_000)
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        deadline = bench.clock.now() + timedelta(hours=10)
        options = SubmitOptions(tag="daily-feed", model="claude-sonnet-4-6", deadline=deadline)
        bench.engine.submit([*some_requests(3), long_one], options)
        bench.poll_after(60)
        bench.sandbox.faults.add(f"messages:{fault}")
        _run(bench, hours=16)
        assert [batch.kind for batch in _batches(bench)].count(BatchKind.SYNC) == runs
        assert len(list(bench.sandbox.billing_log().billed())) == billed


def test_what_an_operator_cancelled_is_not_run_though_another_request_failed(
    tmp_path: Path,
) -> None:
    plan = Plan(shortest=9 * 3600, longest=9 * 3600, cancel=60, grace=30)
    with a_bench(tmp_path, plan=plan, seed=3) as bench:
        bench.sandbox.faults.add("row:overloaded:id=*-0000?-*")
        key = _submit(bench, hours=10, count=20)
        _run(bench, hours=5)
        ledger = bench.engine.context.ledger
        (batch,) = _batches(bench)
        wanted = NewCommand(
            action=Action.CANCEL,
            items=[batch.id],
            reason="not wanted any more",
            not_before=bench.clock.now(),
        )
        commands.enqueue(ledger, wanted)
        _run(bench, hours=5)
        first, run = _batches(bench)
        assert first.counts.canceled > 0
        assert (run.kind, run.request_count) == (BatchKind.SYNC, first.counts.errored)
        outcomes = [result["outcome"] for result in bench.engine.results(key)]
        assert outcomes.count("canceled") == first.counts.canceled


def test_invalid_requests_are_not_run_for_a_deadline(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(60, 60)) as bench:
        bench.sandbox.faults.add("row:invalid:id=*-00002-*")
        _submit(bench, hours=10)
        _run(bench, hours=10)
        assert [batch.request_count for batch in _batches(bench)] == [6]
        assert commands.latest(bench.engine.context.ledger, limit=9) == []


@pytest.mark.parametrize(
    ("fault", "hours", "expected", "kinds"),
    [
        (
            "invalid",
            11,
            "1 request will run synchronously at full price",
            ["batch", "batch", "sync"],
        ),
        ("invalid", 36, "1 request will be answered late, in a batch", ["batch", "batch"]),
        (
            "overloaded",
            11,
            "1 request will be answered late, in a batch",
            ["batch", "sync", "batch"],
        ),
    ],
)
def test_the_preview_of_a_late_replay_says_how_it_will_run(
    tmp_path: Path, fault: str, hours: float, expected: str, kinds: list[str]
) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(3000, 3000, cancel=30)) as bench:
        context = bench.engine.context
        bench.sandbox.faults.add(f"row:{fault}:id=*-00002-*")
        bench.sandbox.faults.add("messages:500")
        key = _submit(bench, hours=10)
        for wait in (2, 6.5, 1, hours - 9.5):
            bench.poll_after(wait * 3600)
        wanted = CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)), force=True)
        plan = planner.plan(context, wanted)
        (note,) = (note for note in plan.preview.notes if "deadline has passed" in note)
        assert expected in note
        bench.sandbox.faults.clear()
        planner.submit(context, plan, delay=timedelta())
        _run(bench, hours=1)
        assert [batch.kind for batch in _batches(bench)] == kinds


def test_where_the_cancel_never_ends_the_last_moment_pays_for_an_answer_in_time(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=6 * 3600)) as bench:
        key = _submit(bench, hours=10)
        _run(bench, hours=9.75)
        results = list(bench.engine.results(key))
        assert [result["outcome"] for result in results] == ["succeeded"] * 6
        ledger = bench.engine.context.ledger
        kinds = [event.kind for event in event_list.events(ledger)]
        assert "batch.possible_duplicate_charge" in kinds
        assert batch_list.due_before(ledger, "2027") == []
        (book,) = bench.sandbox.billing_log().batches
        bench.sandbox.end(book.batch_id, dict.fromkeys(book.custom_ids, "succeeded"))
        _run(bench, hours=1)
        late = _batches(bench)[0]
        assert late.counts.succeeded == len(bench.sandbox.billing_log().batches[0].billed) == 6
        assert late.duplicate_nano == late.cost_nano
        told = digest(ledger, since=START, now=bench.clock.now())
        assert any(line.startswith("Duplicate charges: $") for line in lines(told))
        assert list(bench.engine.results(key)) == results


def test_a_batch_older_than_its_kind_is_not_waited_for_until_the_guard(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(3000, 3000)) as bench:
        for number in range(6):
            bench.submit(1, tag=f"history-{number}")
            bench.poll_after(3100)
            bench.poll_after(1)
        bench.sandbox.plan = Plan.manual(cancel=30)
        _submit(bench, hours=2.9)
        _run(bench, hours=1.25)
        assert BatchKind.SYNC in [batch.kind for batch in _batches(bench)]


def test_what_makes_its_deadline_is_left_alone(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(3600, 3600)) as bench:
        _submit(bench, hours=26)
        _run(bench, hours=26)
        assert [batch.kind for batch in _batches(bench)] == [BatchKind.BATCH]
        assert commands.latest(bench.engine.context.ledger, limit=9) == []
