"""`cancel` and `sync` reach an end whatever the batch does; a double charge is recorded."""

from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.lifecycle import batches, our_bill, requests, staged

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.commands.planner import Plan as CommandPlan
from state.model.records import BatchKind, CollectionStatus, RequestStatus
from state.operations import commands
from state.operations.commands import Action, Command, CommandState
from state.operations.selection import Filter
from state.queries import event_list
from titan_console.sandbox.model.timing import Plan

QUARTER = 900.0
HOUR = 3600.0
_MISSING = "1 batch ended as missing (the requests may have run)"
_ANSWERED = "3 answered"


@pytest.fixture
def manual(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path / "titan", plan=Plan.manual(cancel=60)) as made:
        yield made


def plan(bench: Bench, action: Action) -> CommandPlan:
    wanted = Filter(names=("daily-feed",))
    return planner.plan(bench.engine.context, CommandRequest(action=action, wanted=wanted))


def give(bench: Bench, action: Action) -> None:
    planner.submit(bench.engine.context, plan(bench, action), delay=timedelta())


def command(bench: Bench) -> Command:
    (found,) = commands.latest(bench.engine.context.ledger, limit=9)
    return found


def remote_id(bench: Bench) -> str:
    return batches(bench)[0].remote_id or ""


def deleted(bench: Bench) -> None:
    bench.sandbox.vanish(remote_id(bench))


def endless(bench: Bench) -> None:
    bench.sandbox.make_endless(remote_id(bench))


def overdue(bench: Bench) -> None:
    endless(bench)
    bench.poll_after(25.5 * HOUR)


def refuses(status: int) -> Callable[[Bench], None]:
    return lambda bench: bench.faults.add(f"cancel:{status}")


def deleted_and_silent(bench: Bench) -> None:
    """The results of what was deleted answer 500."""
    deleted(bench)
    bench.faults.add("results:500")


# What the batch does, within how many hours the command ends, its state and its outcome.
_Case = tuple[Callable[[Bench], None], int, CommandState, str]
CANCELS: list[_Case] = [
    (lambda _bench: None, 0, CommandState.DONE, "1 batch is being canceled"),
    (deleted, 0, CommandState.DONE, _MISSING),
    (deleted_and_silent, 0, CommandState.DONE, _MISSING),
    (overdue, 0, CommandState.DONE, _MISSING),
    (endless, 0, CommandState.DONE, "1 batch is being canceled"),
    (refuses(403), 0, CommandState.FAILED, "not canceled: The API returned 403"),
    (refuses(404), 25, CommandState.DONE, "the batch had already ended"),
    (refuses(500), 25, CommandState.DONE, "the batch had already ended"),
    (refuses(529), 25, CommandState.DONE, "the batch had already ended"),
]
SYNCS: list[_Case] = [
    (lambda _bench: None, 1, CommandState.DONE, _ANSWERED),
    (deleted, 0, CommandState.DONE, _ANSWERED),
    (deleted_and_silent, 12, CommandState.DONE, _ANSWERED),
    (overdue, 0, CommandState.DONE, _ANSWERED),
    (endless, 27, CommandState.DONE, _ANSWERED),
    (refuses(403), 25, CommandState.DONE, _ANSWERED),
    (refuses(404), 25, CommandState.DONE, _ANSWERED),
    (refuses(500), 25, CommandState.DONE, _ANSWERED),
]


@pytest.mark.parametrize(
    ("action", "case"),
    [
        *((Action.CANCEL, case) for case in CANCELS),
        *((Action.SYNC, case) for case in SYNCS),
    ],
)
def test_a_command_ends_whatever_its_batch_does(manual: Bench, action: Action, case: _Case) -> None:
    happens, hours, state, outcome = case
    manual.submit(3)
    happens(manual)
    give(manual, action)
    manual.poll_after(QUARTER)
    for _ in range(4 * hours):
        if command(manual).state == CommandState.RUNNING:
            manual.poll_after(QUARTER)
    assert command(manual).state == state
    assert outcome in (command(manual).outcome or "")


def test_a_sync_ends_although_the_results_of_its_batch_never_come(manual: Bench) -> None:
    """The API answers 500 for ever: after 29 days there is nothing to wait for."""
    manual.submit(3)
    manual.sandbox.end(remote_id(manual))
    manual.faults.add("results:500")
    manual.poll_after(QUARTER)
    give(manual, Action.SYNC)
    manual.poll_after(QUARTER)
    manual.poll_after(28 * 24 * HOUR)
    assert command(manual).state == CommandState.RUNNING
    for _ in range(8):
        manual.poll_after(12 * HOUR)
    assert batches(manual)[0].collection == CollectionStatus.RESULTS_EXPIRED
    assert (command(manual).state, command(manual).outcome) == (CommandState.DONE, _ANSWERED)


@pytest.mark.parametrize("happens", [deleted, endless])
def test_a_canceled_batch_ends_too(manual: Bench, happens: Callable[[Bench], None]) -> None:
    """Also where the API accepts the cancel, and the batch stays in `canceling`."""
    manual.submit(3)
    give(manual, Action.CANCEL)
    manual.poll_after(1)
    assert [batch.status for batch in batches(manual)] == ["canceling"]
    happens(manual)
    for _ in range(27 * 4):
        manual.poll_after(QUARTER)
    assert batches(manual)[0].collection == CollectionStatus.DELETED
    assert requests(manual) == {RequestStatus.MISSING: 3}
    assert {row["outcome"] for row in staged(manual)} == {"missing"}


def test_one_batch_that_does_not_answer_does_not_keep_the_others_from_being_canceled(
    manual: Bench,
) -> None:
    manual.submit(2, tag="another")
    manual.submit(2)
    manual.faults.add(f"cancel:500:batch={remote_id(manual)}")
    ids = tuple(batch.id for batch in batches(manual))
    context = manual.engine.context
    wanted = CommandRequest(action=Action.CANCEL, wanted=Filter(batch_ids=ids))
    planner.submit(context, planner.plan(context, wanted), delay=timedelta())
    manual.engine.poll()
    assert [batch.status for batch in batches(manual)] == ["in_progress", "canceling"]
    manual.faults.clear()
    manual.poll_after(QUARTER)
    assert (command(manual).state, command(manual).outcome) == (
        CommandState.DONE,
        "1 batch canceled, 1 batch is being canceled; its results arrive with a later poll",
    )


def test_a_sync_of_a_deleted_batch_shows_and_records_a_possible_duplicate_charge(
    manual: Bench,
) -> None:
    manual.submit(3)
    deleted(manual)
    manual.poll_after(QUARTER)
    (note,) = plan(manual, Action.SYNC).preview.notes
    assert "3 requests were in a batch" in note
    assert "may be charged twice" in note
    give(manual, Action.SYNC)
    manual.engine.poll()
    assert requests(manual) == {RequestStatus.SUCCEEDED: 3}
    events = event_list.events(manual.engine.context.ledger)
    (risk,) = [event for event in events if event.kind == "batch.possible_duplicate_charge"]
    assert (risk.batch_key, risk.detail["requests"]) == (batches(manual)[0].key, 3)


def test_a_cancel_of_a_deleted_batch_says_that_it_may_have_run(manual: Bench) -> None:
    manual.submit(3)
    deleted(manual)
    manual.poll_after(QUARTER)
    (note,) = plan(manual, Action.CANCEL).preview.notes
    assert "may have run" in note
    give(manual, Action.CANCEL)
    manual.engine.poll()
    assert requests(manual) == {RequestStatus.MISSING: 3}


@pytest.mark.parametrize("happens", [deleted, endless])
def test_a_deadline_is_met_although_the_batch_is_gone(
    manual: Bench, happens: Callable[[Bench], None]
) -> None:
    """The guard does not write off early: at the last moment it pays for answers in time."""
    deadline = manual.clock.now() + timedelta(hours=10)
    key = manual.submit(3, deadline=deadline).submission.key
    happens(manual)
    while manual.clock.now() < deadline:
        manual.poll_after(QUARTER)
    assert [result["outcome"] for result in manual.engine.results(key)] == ["succeeded"] * 3
    assert [batch.kind for batch in batches(manual)] == [BatchKind.BATCH, BatchKind.SYNC]
    events = event_list.events(manual.engine.context.ledger)
    assert "batch.possible_duplicate_charge" in [event.kind for event in events]
    assert len(our_bill(manual)) == 3
    assert command(manual).state == CommandState.DONE
