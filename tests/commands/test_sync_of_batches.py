"""A synchronous run of a part of a batch: what becomes of the batch and of the other requests."""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.lifecycle import batches, json_lines, our_bill, requests, staged, statuses

from core.commands import planner
from core.commands.planner import CommandRequest, Plan
from core.commands.preview import Preview
from state.model.records import Batch, BatchKind, BatchStatus, RequestStatus
from state.operations import commands
from state.operations.commands import Action, CommandState
from state.operations.selection import Filter
from state.queries import event_list, kpi_figures
from titan_console.sandbox.model.timing import Plan as Timing


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end by hand; a cancel takes half a minute."""
    with a_bench(tmp_path, plan=Timing.manual(cancel=30)) as bench:
        yield bench


def _ids(bench: Bench, count: int) -> tuple[int, ...]:
    rows = bench.engine.context.ledger.rows("SELECT id FROM requests ORDER BY id LIMIT ?", count)
    return tuple(row[0] for row in rows)


def _plan(bench: Bench, count: int, action: Action = Action.SYNC) -> Plan:
    wanted = Filter(request_ids=_ids(bench, count))
    return planner.plan(bench.engine.context, CommandRequest(action=action, wanted=wanted))


def _force(bench: Bench, count: int) -> Preview:
    """Force that many requests of the only batch, and make the poll that begins it."""
    planned = _plan(bench, count)
    planner.submit(bench.engine.context, planned, delay=bench.clock.now() - bench.clock.now())
    bench.poll_after(1)
    return planned.preview


def _end_at_the_api(bench: Bench, batch: Batch) -> None:
    book = bench.sandbox.billing_log().batches[0]
    bench.sandbox.end(batch.remote_id or "", dict.fromkeys(book.custom_ids, "succeeded"))


def _state(bench: Bench) -> CommandState:
    (command, *_) = commands.latest(bench.engine.context.ledger, limit=9)
    return command.state


def _events(bench: Bench) -> list[str]:
    return [event.kind for event in event_list.events(bench.engine.context.ledger)]


def test_a_part_runs_at_once_and_the_batch_goes_on(bench: Bench) -> None:
    bench.submit(6)
    preview = _force(bench, 1)
    (batch, run) = batches(bench)
    assert (batch.status, run.kind) == (BatchStatus.IN_PROGRESS, BatchKind.SYNC)
    assert _state(bench) == CommandState.DONE
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1, RequestStatus.IN_FLIGHT: 5}
    assert preview.duplicate_cost_nano == preview.batch_cost_nano
    assert preview.duplicate_cost_nano
    assert (preview.canceled_batches, preview.stopped_requests) == ((), 0)
    assert f"batch {batch.key} continues and may also charge for 1 request" in preview.notes[0]
    assert "batch.possible_duplicate_charge" in _events(bench)


def test_the_first_answer_counts_and_the_second_is_a_duplicate_charge(bench: Bench) -> None:
    key = bench.submit(6).submission.key
    _force(bench, 2)
    first, run = batches(bench)
    _end_at_the_api(bench, first)
    bench.poll_after(60)
    first, run = batches(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 6}
    rows = list(bench.engine.results(key))
    assert [row["batch_id"] for row in rows] == [run.key] * 2 + [first.key] * 4
    assert (first.duplicate_nano, run.duplicate_nano) == ((first.cost_nano or 0) // 3, 0)
    assert len(our_bill(bench)) == 8
    assert len(staged(bench)) == 6


def test_a_batch_that_answers_nothing_to_the_part_leaves_its_answer(bench: Bench) -> None:
    bench.submit(4)
    _force(bench, 1)
    first = batches(bench)[0]
    book = bench.sandbox.billing_log().batches[0]
    bench.sandbox.end(first.remote_id or "", dict.fromkeys(book.custom_ids, "expired"))
    bench.poll_after(60)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1, RequestStatus.EXPIRED: 3}


def test_half_of_a_batch_is_a_part_and_more_than_half_cancels_it(bench: Bench) -> None:
    bench.submit(6)
    assert _plan(bench, 3).preview.canceled_batches == ()
    assert _plan(bench, 4).preview.canceled_batches == (batches(bench)[0].key,)


def test_most_of_a_batch_cancels_it_and_the_others_return_to_the_queue(bench: Bench) -> None:
    key = bench.submit(6).submission.key
    preview = _force(bench, 4)
    (first,) = batches(bench)
    assert preview.stopped_requests == 2
    assert preview.duplicate_cost_nano == 0
    assert preview.notes == (
        (
            f"cancels batch {first.key}; when it has ended, its selected requests without an answer"
            " run synchronously; 2 other requests return to the queue"
        ),
    )
    bench.poll_after(60)
    bench.poll_after(60)
    assert _state(bench) == CommandState.DONE
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4, RequestStatus.IN_FLIGHT: 2}
    assert not bench.folder.staging.exists()
    again = batches(bench)[-1]
    assert (again.kind, again.request_count, again.status) == (BatchKind.BATCH, 2, "in_progress")
    book = bench.sandbox.billing_log().batches[1]
    bench.sandbox.end(again.remote_id or "", dict.fromkeys(book.custom_ids, "succeeded"))
    bench.poll_after(60)
    rows = list(bench.engine.results(key))
    assert [row["outcome"] for row in rows] == ["succeeded"] * 6
    assert len(our_bill(bench)) == 6
    assert "batch.cancel_requested" in _events(bench)
    assert "batch.requests_requeued" in _events(bench)


def test_what_returns_to_the_queue_is_no_error(bench: Bench) -> None:
    bench.submit(6)
    _force(bench, 4)
    bench.poll_after(60)
    bench.poll_after(60)
    ledger = bench.engine.context.ledger
    others = {
        row[0] for row in ledger.rows("SELECT custom_id FROM requests ORDER BY id DESC LIMIT 2")
    }
    mirror = bench.folder.errors_mirror
    logged = {line["custom_id"] for line in (json_lines(mirror) if mirror.exists() else [])}
    assert not logged & others
    day = bench.clock.now().date().isoformat()
    counted = [v for v in kpi_figures.volumes(ledger, since_day=day) if v.kind == BatchKind.BATCH]
    assert sum(v.errored + v.lost for v in counted) == 0
    # The four of the run are counted for the canceled batch; those that go on are not.
    assert sum(v.requests for v in counted) == 4


def test_a_cancel_by_an_operator_meanwhile_is_a_cancel_of_all(bench: Bench) -> None:
    bench.submit(6)
    _force(bench, 4)
    request = CommandRequest(action=Action.CANCEL, wanted=Filter(batch_ids=(batches(bench)[0].id,)))
    planned = planner.plan(bench.engine.context, request)
    planner.submit(bench.engine.context, planned, delay=bench.clock.now() - bench.clock.now())
    bench.poll_after(1)
    bench.poll_after(60)
    bench.poll_after(60)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4, RequestStatus.CANCELED: 2}


def test_a_cancel_that_fails_is_made_again_and_said_once(bench: Bench) -> None:
    bench.submit(6)
    bench.faults.add("cancel:500")
    _force(bench, 4)
    bench.poll_after(60)
    assert statuses(bench) == ["in_progress"]
    bench.faults.clear()
    bench.poll_after(60)
    bench.poll_after(60)
    bench.poll_after(60)
    assert _events(bench).count("batch.cancel_requested") == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4, RequestStatus.IN_FLIGHT: 2}


def test_a_part_that_cannot_run_now_stays_in_its_batch(bench: Bench) -> None:
    bench.submit(6)
    bench.faults.add("messages:spend-cap")
    _force(bench, 1)
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 6}
    bench.faults.clear()
    taken = _events(bench).count("batch.possible_duplicate_charge")
    bench.poll_after(60)
    assert _events(bench).count("batch.possible_duplicate_charge") == taken
    assert bench.sandbox.billing_log().creates == 1
    bench.poll_after(3600)
    assert _state(bench) == CommandState.DONE
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1, RequestStatus.IN_FLIGHT: 5}


def test_an_answer_of_the_batch_ends_the_wait_of_a_part_that_cannot_run(bench: Bench) -> None:
    bench.submit(6)
    bench.faults.add("messages:spend-cap")
    _force(bench, 1)
    _end_at_the_api(bench, batches(bench)[0])
    bench.poll_after(60)
    assert _state(bench) == CommandState.DONE
    assert len(our_bill(bench)) == 6
    assert len(staged(bench)) == 6


def test_a_batch_whose_requests_all_return_to_the_queue_is_collected(bench: Bench) -> None:
    """The synchronous run found them answered elsewhere, and ended before the batch did."""
    bench.submit(3)
    (batch,) = batches(bench)
    ledger = bench.engine.context.ledger
    with ledger.transaction("test"):
        ledger.execute("UPDATE batches SET requeue_canceled = 1")
    ids = bench.sandbox.billing_log().batches[0].custom_ids
    bench.sandbox.end(batch.remote_id or "", dict.fromkeys(ids, "canceled"))
    bench.poll_after(900)
    (first, *_) = batches(bench)
    assert (first.collection, first.counts.total()) == ("collected", 0)
    assert set(requests(bench)) <= {RequestStatus.QUEUED, RequestStatus.IN_FLIGHT}
