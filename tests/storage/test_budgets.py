"""What is reserved: with the batch, until its cost is known, in the transaction of the change."""

from collections.abc import Collection

import pytest
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.ledger_views import attempt, ids

from core.clock import ManualClock
from state.batches import budget_reservations, sending, sync_runs
from state.batches.budget_reservations import AtMost, Scope
from state.db.ledger import Ledger
from state.model.errors import LedgerUnusable
from state.model.records import Batch
from state.operations import command_effects, commands
from state.operations.commands import Action, Command, CommandState, NewCommand
from state.queries import batch_list

# Beyond 2**53.
BATCH, SYNC = 2**55 + 1, 2**56 + 2


def submit(made: LedgerBuilder, tag: str, count: int = 2, **how: str) -> Batch:
    return made.submit(tag, count, at_most_batch_nano=BATCH, at_most_sync_nano=SYNC, **how)  # pyright: ignore[reportArgumentType]


def used(ledger: Ledger, **scope: str) -> int:
    return budget_reservations.reserved(ledger, Scope(**scope))  # pyright: ignore[reportArgumentType]


def enqueue(made: LedgerBuilder, action: Action, tag: str) -> Command:
    items = list(ids(made.ledger, tag).values())
    new = NewCommand(action=action, items=items, reason="", not_before=made.clock.now())
    return commands.enqueue(made.ledger, new)[0]


def test_queued_requests_reserve_what_they_can_cost(made: LedgerBuilder) -> None:
    submit(made, "one")
    assert used(made.ledger) == 2 * BATCH
    assert budget_reservations.reserved(made.ledger, Scope(), unsent=False) == 0


def test_a_scope_counts_its_workflow_and_its_tag(made: LedgerBuilder) -> None:
    submit(made, "one", 1, workflow="a")
    submit(made, "two", 3, workflow="b")
    assert used(made.ledger, workflow="a") == used(made.ledger, tag="one") == BATCH
    assert used(made.ledger, workflow="b") == 3 * BATCH
    assert used(made.ledger, workflow="a", tag="two") == 0


def test_a_scope_can_count_all_workflows_but_some(made: LedgerBuilder) -> None:
    for name in ("a", "b", "it's"):
        submit(made, name, 1, workflow=name)
    enqueue(made, Action.SYNC, "b")
    for but, counted in (((), 2 * BATCH + SYNC), (("b", "it's", "c"), BATCH), (("b",), 2 * BATCH)):
        assert budget_reservations.reserved(made.ledger, Scope(but_workflows=but)) == counted


def test_a_reservation_is_released_when_the_cost_is_known(made: LedgerBuilder) -> None:
    sent = made.accept(submit(made, "one"))
    assert used(made.ledger) == 2 * BATCH
    made.collect(sent)
    assert used(made.ledger) == 2 * CENT


def test_an_answer_without_a_price_keeps_its_reservation(made: LedgerBuilder) -> None:
    made.collect(made.accept(submit(made, "one")), cost_nano=None)
    assert used(made.ledger) == 2 * BATCH


def test_what_was_not_sent_is_reserved_once(made: LedgerBuilder) -> None:
    made.release(submit(made, "one"))
    assert used(made.ledger) == 2 * BATCH
    (again,) = made.plan()
    assert used(made.ledger) == 2 * BATCH
    assert budget_reservations.of_batch(made.ledger, again.id) == 2 * BATCH
    made.refuse(again)
    assert used(made.ledger) == 0


def test_what_is_canceled_before_it_is_sent_reserves_nothing(made: LedgerBuilder) -> None:
    assert command_effects.cancel_unsent(made.ledger, submit(made, "one"), "no longer needed")
    assert used(made.ledger) == 0


def test_a_batch_counts_on_the_day_it_was_sent(made: LedgerBuilder, clock: ManualClock) -> None:
    made.accept(submit(made, "one"))
    clock.advance(86_400)
    submit(made, "two", 1)
    assert used(made.ledger, day="2026-11-22") == 3 * BATCH
    # What is not sent yet counts on each day.
    assert used(made.ledger, day="2026-11-23") == used(made.ledger, day="2027") == BATCH


def test_the_check_sees_the_transaction_it_is_in(made: LedgerBuilder) -> None:
    seen: list[int] = []

    def admit() -> None:
        seen.append(used(made.ledger))
        raise LedgerUnusable("over budget")

    row = submit(made, "one")
    with pytest.raises(LedgerUnusable):
        sending.mark_sending(
            made.ledger, row, watermark_id="", watermark_ts=None, owner="x", admit=admit
        )
    assert seen == [2 * BATCH]
    assert used(made.ledger) == 2 * BATCH


def test_a_replay_reserves_until_its_requests_are_queued(made: LedgerBuilder) -> None:
    made.collect(made.accept(submit(made, "one")), [Failure()] * 2)
    assert used(made.ledger) == 0
    command = enqueue(made, Action.REPLAY, "one")
    assert used(made.ledger) == 2 * BATCH
    assert budget_reservations.reserved(made.ledger, Scope(), but_for=command.id) == 0
    commands.claim(made.ledger, command)
    command_effects.requeue(made.ledger, command.id, commands.items(made.ledger, command))
    assert used(made.ledger) == 2 * BATCH
    commands.finish(made.ledger, command, CommandState.DONE, "")
    assert used(made.ledger) == 2 * BATCH


def test_a_refused_requeue_leaves_the_requests_failed(made: LedgerBuilder) -> None:
    made.collect(made.accept(submit(made, "one")), [Failure()] * 2)
    seen: list[Collection[int]] = []

    def refuse(chosen: Collection[int]) -> None:
        seen.append(chosen)
        raise LedgerUnusable("over budget")

    numbers = list(ids(made.ledger, "one").values())
    with pytest.raises(LedgerUnusable):
        command_effects.requeue(made.ledger, 0, numbers, refuse)
    assert [list(one) for one in seen] == [numbers]
    assert used(made.ledger) == 0


def test_a_synchronous_run_reserves_its_price_instead(made: LedgerBuilder) -> None:
    made.release(submit(made, "one"))
    command = enqueue(made, Action.SYNC, "one")
    assert used(made.ledger) == 2 * SYNC
    (submission,) = batch_list.submissions_of(made.ledger, "one")
    run = sync_runs.begin(made.ledger, submission, runner="me", max_bytes=1000)
    assert run is not None
    assert budget_reservations.of_batch(made.ledger, run.id) == 2 * SYNC
    assert used(made.ledger) == 2 * SYNC
    assert command.state == CommandState.PENDING


def test_requests_without_a_greatest_cost_are_counted_as_unknown(made: LedgerBuilder) -> None:
    row = made.submit("one", ["a", "b"])
    numbers = list(ids(made.ledger, "one").values())
    assert budget_reservations.not_estimated(made.ledger, numbers) == numbers
    assert budget_reservations.not_estimated_in(made.ledger, row.id) == numbers
    assert budget_reservations.sent_unknown(made.ledger, Scope()) == 0
    made.accept(row)
    assert budget_reservations.sent_unknown(made.ledger, Scope()) == 2
    assert budget_reservations.sent_unknown(made.ledger, Scope(day="2026-11-23")) == 0
    assert budget_reservations.unknown_by_batch(made.ledger) == {row.id: numbers}


def test_an_estimate_reserves_in_the_same_transaction(made: LedgerBuilder) -> None:
    queued, sent = made.submit("queued", ["a"]), made.accept(made.submit("sent", ["b", "c"]))
    found = ids(made.ledger, "queued", "sent")
    budget_reservations.estimate(made.ledger, [(found["a"], 3, 6), (found["b"], 5, 10)])
    assert budget_reservations.of_batch(made.ledger, queued.id) == 3
    # One request of the batch is not estimated yet.
    assert budget_reservations.of_batch(made.ledger, sent.id) == 0
    budget_reservations.estimate(made.ledger, [(found["c"], 7, 14)])
    assert budget_reservations.of_batch(made.ledger, sent.id) == 12
    assert budget_reservations.sent_unknown(made.ledger, Scope()) == 0


def test_the_most_that_requests_can_cost_is_by_workflow_and_tag(made: LedgerBuilder) -> None:
    made.accept(submit(made, "one", 1))
    submit(made, "two", 2, workflow="news")
    made.submit("three", 1)
    found = ids(made.ledger, "one", "two", "three")
    sums = budget_reservations.at_most(made.ledger, list(found.values()))
    assert sorted(sums, key=lambda one: one.tag) == [
        at_most("feed", "one", 1),
        AtMost(workflow="feed", tag="three", batch_nano=0, sync_nano=0, unsent_nano=0, unknown=1),
        at_most("news", "two", 2, is_unsent=True),
    ]
    names = budget_reservations.names_of(made.ledger, [found["one-000"]])
    assert names == {found["one-000"]: ("feed", "one", "anthropic")}
    assert attempt(made.ledger, "one", "one-000").is_active


def at_most(workflow: str, tag: str, count: int, *, is_unsent: bool = False) -> AtMost:
    return AtMost(
        workflow=workflow,
        tag=tag,
        batch_nano=count * BATCH,
        sync_nano=count * SYNC,
        unsent_nano=count * BATCH if is_unsent else 0,
        unknown=0,
    )
