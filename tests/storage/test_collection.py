"""Results are stored once: the first success settles, and a batch's sums are those of its rows."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.ledger_builders import a_result, store_results
from support.ledgers.ledger_views import attempt, detail, ids, kinds, request, statuses
from support.ledgers.ledger_views import batch as named
from support.ledgers.storage import Storage

from state.batches import collection, recorded_calls, remote_status, sending
from state.batches.collection import Completion
from state.batches.edits import Edit
from state.db.ledger import Ledger
from state.model.records import Batch, Collected, CollectionStatus, Counts, Outcome, RequestStatus
from state.operations import command_effects, commands
from state.operations.commands import Action, NewCommand
from state.queries import batch_list, ledger_status, spending

SUCCEEDED, ERRORED = RequestStatus.SUCCEEDED, RequestStatus.ERRORED


def results_of(ledger: Ledger, *names: str) -> list[tuple[object, ...]]:
    """Rows of succeeded answers, to be staged."""
    found = ids(ledger, *names)
    return [a_result(name).as_staged(found[name]) for name in names]


@pytest.fixture
def ended(made: LedgerBuilder) -> Batch:
    """A batch of three requests that has ended at the API."""
    return made.end(made.accept(made.submit("tag", ["a", "b", "c"])))


def test_a_whole_batch_is_collected_in_one_step(made: LedgerBuilder, ended: Batch) -> None:
    results = (a_result("a"), a_result("b", Outcome.ERRORED), a_result("c", Outcome.EXPIRED))
    assert store_results(made.ledger, ended, *results, results_bytes=70) == Collected(
        new=3, missing=0, complete=True
    )
    found = named(made.ledger, ended.key)
    assert found.counts == Counts(succeeded=1, errored=1, expired=1)
    assert (found.cost_nano, found.sync_cost_nano, found.unpriced) == (50, 100, 0)
    assert (found.collection, found.results_bytes) == (CollectionStatus.COLLECTED, 70)
    assert found.collected_ts == made.ledger.now_text()
    assert statuses(made.ledger, "tag") == {"a": SUCCEEDED, "b": ERRORED, "c": "expired"}
    assert kinds(made.ledger)[-2:] == ["batch.collected", "submission.finished"]
    (row,) = spending.by_day_column(made.ledger, "workflow", since_day="2026-11-22")
    assert (row.attempts, row.succeeded, row.errored, row.lost) == (3, 1, 1, 1)


def test_a_partial_collection_leaves_the_batch_pending(made: LedgerBuilder, ended: Batch) -> None:
    assert not store_results(made.ledger, ended, a_result("b"), results_bytes=10).complete
    found = named(made.ledger, ended.key)
    assert (found.collection, found.collect_tries) == (CollectionStatus.PENDING, 1)
    assert (found.cost_nano, found.results_bytes, found.collected_ts) == (50, 10, None)
    assert ledger_status.totals(made.ledger).cost_nano == 0
    known = {name: is_known for name, _, is_known in collection.ids_of(made.ledger, found)}
    assert known == {"a": False, "b": True, "c": False}
    assert store_results(made.ledger, found, a_result("a"), a_result("c")).complete
    assert ledger_status.totals(made.ledger).cost_nano == 150


def test_of_two_tries_at_once_the_second_changes_nothing(
    storage: Storage, made: LedgerBuilder, ended: Batch
) -> None:
    renamed: list[str] = []
    other = storage.open("other")
    with (
        collection.staged(made.ledger, results_of(made.ledger, "a")) as one,  # pyright: ignore[reportArgumentType]
        collection.staged(other, results_of(made.ledger, "a", "b", "c")) as two,  # pyright: ignore[reportArgumentType]
    ):
        collection.commit(made.ledger, ended, one, results_bytes=5)
        before = named(made.ledger, ended.key), kinds(made.ledger)
        late = collection.commit(
            other, ended, two, results_bytes=9, replace_part=lambda: renamed.append("two")
        )
    assert late == Collected(new=0, missing=0, complete=True)
    assert (named(made.ledger, ended.key), kinds(made.ledger)) == before
    assert renamed == []


def test_a_file_that_cannot_be_renamed_leaves_the_batch_as_it_was(
    made: LedgerBuilder, ended: Batch
) -> None:
    def fail() -> None:
        raise OSError("full")

    rows = results_of(made.ledger, "a", "b", "c")
    with collection.staged(made.ledger, rows) as staged, pytest.raises(OSError, match="full"):  # pyright: ignore[reportArgumentType]
        collection.commit(made.ledger, ended, staged, results_bytes=9, replace_part=fail)
    assert named(made.ledger, ended.key) == ended
    assert attempt(made.ledger, "tag", "a").outcome is None


def test_an_outcome_is_kept_when_it_is_collected_again(made: LedgerBuilder, ended: Batch) -> None:
    store_results(made.ledger, ended, a_result("a"))
    again = named(made.ledger, ended.key)
    changed = replace(a_result("a"), cost_nano=999, stop_reason="other")
    assert store_results(made.ledger, again, changed).new == 0
    assert attempt(made.ledger, "tag", "a").cost_nano == 50


def test_a_failure_that_comes_second_leaves_the_success(made: LedgerBuilder, ended: Batch) -> None:
    store_results(made.ledger, ended, a_result("a"), a_result("b"))
    again = named(made.ledger, ended.key)
    assert store_results(made.ledger, again, a_result("a", Outcome.ERRORED)).new == 0
    assert statuses(made.ledger, "a") == {"a": SUCCEEDED}


def test_requests_without_a_result_are_missing_with_a_reason(
    made: LedgerBuilder, ended: Batch
) -> None:
    end = Completion(status=CollectionStatus.RESULTS_EXPIRED, reason="kept for 29 days")
    with collection.staged(made.ledger, results_of(made.ledger, "a")) as staged:  # pyright: ignore[reportArgumentType]
        done = collection.commit(made.ledger, ended, staged, results_bytes=1, end=end, problem="p")
    assert done == Collected(new=1, missing=2, complete=True)
    found = named(made.ledger, ended.key)
    assert (found.collection, found.last_error) == (CollectionStatus.RESULTS_EXPIRED, "p")
    lost = attempt(made.ledger, "tag", "b")
    assert (lost.outcome, lost.error_message, lost.cost_nano) == (
        Outcome.MISSING,
        "kept for 29 days",
        0,
    )
    assert remote_status.failures_of(made.ledger, ended.id) == (2, 2)


def test_a_late_success_is_a_duplicate(made: LedgerBuilder) -> None:
    first = made.accept(made.submit("tag", ["a"]))
    command_effects.detach(made.ledger, first, list(ids(made.ledger, "a").values()), "run now")
    (second,) = made.plan()
    made.collect(made.accept(second))
    made.collect(first)
    late, settling = request(made.ledger, "tag", "a").attempts
    assert (settling.is_settling, settling.is_duplicate) == (True, False)
    assert (late.is_settling, late.is_duplicate) == (False, True)
    # A synchronous job would not have run it again: it is a cost without a saving.
    assert (late.cost_nano, late.sync_cost_nano) == (CENT, 0)
    assert named(made.ledger, first.key).duplicate_nano == CENT
    totals = ledger_status.totals(made.ledger)
    assert (totals.cost_nano, totals.savings_nano, totals.duplicate_nano) == (2 * CENT, 0, CENT)


def test_a_failure_does_not_end_a_request_that_runs_elsewhere(made: LedgerBuilder) -> None:
    first = made.accept(made.submit("tag", ["a"]))
    command_effects.detach(made.ledger, first, list(ids(made.ledger, "a").values()), "run now")
    (second,) = made.plan()
    second = made.accept(second)
    made.collect(first, [Failure()])
    assert statuses(made.ledger, "a") == {"a": RequestStatus.IN_FLIGHT}
    made.collect(second)
    assert statuses(made.ledger, "a") == {"a": SUCCEEDED}


def test_a_late_failure_leaves_a_request_that_waits_or_was_acknowledged(
    made: LedgerBuilder,
) -> None:
    sent = made.accept(made.submit("tag", ["a", "b"]))
    found = ids(made.ledger, "tag")
    command_effects.detach(made.ledger, sent, list(found.values()), "run now")
    (again,) = made.plan()
    made.refuse(again)
    command_effects.acknowledge(made.ledger, [found["b"]])
    command_effects.requeue(made.ledger, 0, [found["a"]])
    made.collect(sent, [Failure(), Failure()])
    expected = {"a": RequestStatus.QUEUED, "b": RequestStatus.ACKNOWLEDGED}
    assert statuses(made.ledger, "tag") == expected


def an_edit(made: LedgerBuilder, name: str) -> int:
    """Replay a request with another body; how many are queued."""
    number = ids(made.ledger, name)[name]
    edit = Edit(
        request_id=number,
        spool_file="edits.jsonl",
        offset=7,
        length=9,
        sha256=b"2" * 32,
        betas="new",
        at_most_batch_nano=3,
        at_most_sync_nano=6,
        model="claude-opus-5",
    )
    new = NewCommand(
        action=Action.REPLAY,
        items=[number],
        reason="better",
        not_before=made.clock.now(),
        edits=[edit],
    )
    command, _ = commands.enqueue(made.ledger, new)
    return command_effects.requeue(made.ledger, command.id, [number])


def test_an_edited_replay_waits_for_a_batch_that_has_its_request(
    made: LedgerBuilder, storage: Storage
) -> None:
    first = made.accept(made.submit("tag", ["a"]))
    number = ids(made.ledger, "a")["a"]
    command_effects.detach(made.ledger, first, [number], "to run elsewhere")
    (second,) = made.plan()
    made.collect(first)
    assert statuses(made.ledger, "tag") == {"a": "succeeded"}
    assert an_edit(made, "a") == 0
    # Of a ledger in which that was possible: nothing else waits for such a request.
    storage.force(made.ledger, "requests", {"id": number}, status="queued", settled_by=None)
    made.submit("other", ["b"])
    assert made.plan() == []
    sending.withdraw(made.ledger, second, "it has a result already")
    assert [batch.request_count for batch in made.plan()] == [1]


def test_an_edited_replay_reopens_a_success(made: LedgerBuilder) -> None:
    made.collected("tag", ["a"])
    assert command_effects.requeue(made.ledger, 0, list(ids(made.ledger, "a").values())) == 0
    assert an_edit(made, "a") == 1
    found = request(made.ledger, "tag", "a")
    assert (found.status, found.model, found.body.length) == ("queued", "claude-opus-5", 9)
    assert command_effects.betas_of(made.ledger, found.request_id) == ("new",)
    assert batch_list.submissions_of(made.ledger, "tag")[0].finished_ts is None
    (again,) = made.plan()
    assert again.betas == ("new",)
    made.collect(made.accept(again))
    first, second = request(made.ledger, "tag", "a").attempts
    assert (first.is_settling, second.is_settling) == (False, True)
    assert (second.is_duplicate, second.requested_model) == (False, "claude-opus-5")


def test_an_edited_replay_that_fails_is_settled_by_the_first_answer(made: LedgerBuilder) -> None:
    made.collected("tag", ["a"])
    assert an_edit(made, "a") == 1
    (again,) = made.plan()
    made.collect(made.accept(again), [Failure()])
    first, second = request(made.ledger, "tag", "a").attempts
    assert (first.is_settling, second.outcome) == (True, Outcome.ERRORED)
    assert statuses(made.ledger, "a") == {"a": SUCCEEDED}


def test_an_answer_without_a_price_is_in_no_total(made: LedgerBuilder) -> None:
    one = made.collected("tag", ["a", "b"], cost_nano=None)
    assert (one.cost_nano, one.sync_cost_nano, one.unpriced) == (0, 0, 2)
    totals = ledger_status.totals(made.ledger)
    assert (totals.cost_nano, totals.unpriced, totals.succeeded) == (0, 2, 2)


def test_a_result_of_a_request_that_the_batch_does_not_list_gets_an_attempt(
    made: LedgerBuilder, ended: Batch
) -> None:
    made.collected("other", ["x"])
    number = ids(made.ledger, "x")["x"]
    assert collection.unlisted_id(made.ledger, ended, "a") == ids(made.ledger, "a")["a"]
    assert collection.unlisted_id(made.ledger, ended, "x") is None
    rows = [*results_of(made.ledger, "a", "b", "c"), a_result("x").as_staged(number)]
    with collection.staged(made.ledger, rows) as staged:  # pyright: ignore[reportArgumentType]
        done = collection.commit(
            made.ledger, ended, staged, results_bytes=1, unlisted=[number, number]
        )
    assert (done.new, done.complete) == (4, True)
    assert len(request(made.ledger, "other", "x").attempts) == 2


def test_long_ids_of_a_batch_are_named(made: LedgerBuilder) -> None:
    one = made.submit("tag", ["short", "x" * 60])
    assert collection.long_ids(made.ledger, one, 55) == ["x" * 60]


def test_a_recorded_call_is_collected_and_counted_once(made: LedgerBuilder) -> None:
    answered = replace(a_result("call"), cost_nano=2**60)

    def record(key: str) -> str:
        return recorded_calls.record(
            made.ledger,
            key=key,
            tag="sync",
            workflow="talk",
            model="claude-haiku-4-5",
            answered=answered,
        )

    assert (record("tb_one"), record("tb_two")) == ("tb_one", "tb_one")
    totals = ledger_status.totals(made.ledger)
    assert (totals.cost_nano, totals.requests, totals.succeeded) == (2**60, 1, 1)
    assert detail(made.ledger, "batch.collected") == {"recorded": True, "new": 1}
