"""What commands do to requests: queue, acknowledge, cancel, take out of a batch, give back."""

from datetime import timedelta

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import attempt, count_kinds, detail, ids, statuses
from support.ledgers.ledger_views import batch as named

from state.batches import collection, remote_status, stuck_batches
from state.batches.collection import Completion
from state.model.records import (
    Batch,
    BatchStatus,
    CollectionStatus,
    Outcome,
    RequestStatus,
)
from state.operations import affected_batches, command_effects, previews, reviews
from state.queries import batch_list, ledger_status

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT
ACKNOWLEDGED, ERRORED = RequestStatus.ACKNOWLEDGED, RequestStatus.ERRORED
SUCCEEDED = RequestStatus.SUCCEEDED
OUTCOMES = [Failure(), Failure(outcome=Outcome.EXPIRED), Failure(outcome=Outcome.CANCELED)]


@pytest.fixture
def failed(made: LedgerBuilder) -> Batch:
    """Requests a, b and c that failed, and d with an answer."""
    return made.collected("tag", ["a", "b", "c", "d"], OUTCOMES)


def numbers(made: LedgerBuilder, *names: str) -> list[int]:
    return list(ids(made.ledger, *names).values())


def test_failed_requests_are_queued_and_answered_ones_are_not(
    made: LedgerBuilder, failed: Batch
) -> None:
    assert command_effects.requeue(made.ledger, 0, numbers(made, "tag")) == 3
    assert statuses(made.ledger, "tag") == {**dict.fromkeys("abc", QUEUED), "d": SUCCEEDED}
    assert command_effects.requeue(made.ledger, 0, numbers(made, "tag")) == 0
    (submission,) = batch_list.submissions_of(made.ledger, "tag")
    assert submission.finished_ts is None
    (again,) = made.plan()
    made.collect(made.accept(again))
    assert set(statuses(made.ledger, "tag").values()) == {SUCCEEDED}
    assert len(batch_list.batches_of(made.ledger, submission)) == 2
    assert failed.counts.succeeded == 1


def test_acknowledged_requests_are_no_errors(made: LedgerBuilder, failed: Batch) -> None:
    assert command_effects.acknowledge(made.ledger, numbers(made, "a", "b", "d")) == 2
    assert command_effects.acknowledge(made.ledger, numbers(made, "a", "b", "d")) == 0
    found = command_effects.statuses(made.ledger, numbers(made, "tag"))
    assert sorted(found.values()) == [ACKNOWLEDGED, ACKNOWLEDGED, "canceled", SUCCEEDED]
    assert ledger_status.totals(made.ledger).failed_requests == 1
    assert command_effects.requeue(made.ledger, 0, numbers(made, "a")) == 1
    assert named(made.ledger, failed.key).counts.errored == 1


def test_an_unsent_batch_is_canceled_with_its_requests(made: LedgerBuilder) -> None:
    queued = made.submit("tag", ["a", "b"])
    assert command_effects.cancel_unsent(made.ledger, queued, "not needed")
    found = named(made.ledger, queued.key)
    assert (found.status, found.is_canceled_unsent()) == (BatchStatus.NOT_SENT, True)
    assert statuses(made.ledger, "tag") == dict.fromkeys("ab", RequestStatus.CANCELED)
    assert attempt(made.ledger, "tag", "a").outcome == Outcome.CANCELED
    assert not command_effects.cancel_unsent(made.ledger, queued, "again")
    sent = made.accept(made.submit("sent"))
    assert not command_effects.cancel_unsent(made.ledger, sent, "too late")


def test_requests_are_taken_out_of_a_batch_and_given_back(made: LedgerBuilder) -> None:
    sent = made.accept(made.submit("tag", ["a", "b"]))
    (one,) = numbers(made, "a")
    assert command_effects.detach(made.ledger, sent, [one], "to run now") == 1
    assert command_effects.detach(made.ledger, sent, [one], "again") == 0
    assert statuses(made.ledger, "tag") == {"a": QUEUED, "b": IN_FLIGHT}
    assert count_kinds(made.ledger)["batch.possible_duplicate_charge"] == 2
    affected_batches.reattach(made.ledger, numbers(made, "tag"))
    assert statuses(made.ledger, "tag") == dict.fromkeys("ab", IN_FLIGHT)
    assert attempt(made.ledger, "tag", "a").is_active


def test_the_batches_that_a_run_affects_are_named(made: LedgerBuilder) -> None:
    most = made.accept(made.submit("most", ["a", "b", "c"]))
    few = made.accept(made.submit("few", ["d", "e"]))
    made.submit("unsent", ["f"])
    made.accept(made.submit("none", ["x"]))
    chosen = numbers(made, "a", "b", "d", "f")
    found = affected_batches.affected_batches(made.ledger, chosen)
    assert [(one.chosen, one.others) for one in found] == [(2, 1), (1, 1), (1, 0)]
    assert [one.batch.id for one in found][:2] == [most.id, few.id]
    assert [one.is_canceled for one in found] == [True, False, False]
    assert [one.goes_on for one in found] == [False, True, False]
    assert affected_batches.active_in(made.ledger, few, chosen) == numbers(made, "d")


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_a_run_cancels_beside_it_is_queued_again(
    made: LedgerBuilder, *, is_kept: bool
) -> None:
    sent = made.accept(made.submit("tag", ["a", "b", "c"]))
    (forced,) = affected_batches.affected_batches(made.ledger, numbers(made, "a", "b"))
    for _ in range(2):
        affected_batches.requeue_canceled(made.ledger, forced, "deadline")
    assert count_kinds(made.ledger)["batch.cancel_requested"] == 1
    if is_kept:
        affected_batches.keep_canceled(made.ledger, sent)
    made.collect(sent, [Failure(outcome=Outcome.CANCELED)] * 2)
    found = statuses(made.ledger, "tag")
    expected = RequestStatus.CANCELED if is_kept else QUEUED
    assert found == {"a": expected, "b": expected, "c": SUCCEEDED}
    assert ("batch.requests_requeued" in count_kinds(made.ledger)) != is_kept
    assert named(made.ledger, sent.key).counts.canceled == (2 if is_kept else 0)


def test_requests_of_a_batch_that_was_written_off_may_have_been_charged(
    made: LedgerBuilder,
) -> None:
    lost = made.accept(made.submit("tag", ["a", "b"]))
    stuck_batches.write_off(made.ledger, lost, "404")
    end = Completion(status=CollectionStatus.DELETED, reason="deleted")
    with collection.staged(made.ledger) as staged:
        collection.commit(
            made.ledger, named(made.ledger, lost.key), staged, results_bytes=0, end=end
        )
    stuck = made.accept(made.submit("stuck", ["c"]))
    stuck_batches.mark_stuck(made.ledger, stuck, "404")
    assert command_effects.count_maybe_charged(made.ledger, numbers(made, "tag", "stuck")) == 3
    command_effects.requeue(made.ledger, 0, numbers(made, "a"))
    assert detail(made.ledger, "batch.possible_duplicate_charge")["requests"] == 1
    assert previews.stuck_keys(made.ledger, [lost.id, stuck.id]) == [stuck.key]
    assert previews.counts(made.ledger, [lost.id, stuck.id]) == (0, 0)
    assert remote_status.failures_of(made.ledger, lost.id) == (2, 2)


def test_failures_of_synchronous_runs_are_told_apart(made: LedgerBuilder, failed: Batch) -> None:
    found = command_effects.failed_in_batches(made.ledger, numbers(made, "tag"))
    assert found == numbers(made, "a", "b", "c")
    grouped = command_effects.submissions_of(made.ledger, numbers(made, "tag"))
    assert [(one.id, len(of_it)) for one, of_it in grouped] == [(failed.submission_id, 4)]


def test_what_a_request_is_sent_with_can_be_asked_for(made: LedgerBuilder) -> None:
    made.submit("tag", ["a"], betas="x,y", offset=7, length=8)
    (one,) = numbers(made, "a")
    assert command_effects.body_of(made.ledger, one) == ("requests.jsonl", 7, 8)
    assert command_effects.betas_of(made.ledger, one) == ("x", "y")
    assert command_effects.names_of(made.ledger, one) == (None, "feed", "tag")
    assert command_effects.model_of(made.ledger, one) == "claude-haiku-4-5"
    assert command_effects.stop_reason_of(made.ledger, one) is None


def test_answers_to_review_are_listed_until_they_are_accepted(made: LedgerBuilder) -> None:
    for number in range(3):
        sent = made.accept(made.submit(f"tag-{number}", 1))
        made.collect(sent, stop_reason="refusal" if number else "end_turn")
    assert reviews.count(made.ledger) == ledger_status.totals(made.ledger).reviews == 2
    found = list(reviews.rows(made.ledger, limit=9))
    assert [row.tag for row in found] == ["tag-2", "tag-1"]
    assert [row.tag for row in reviews.rows(made.ledger, limit=1)] == ["tag-2"]
    assert reviews.accept(made.ledger, numbers(made, "tag-0", "tag-1")) == 1
    assert reviews.accept(made.ledger, numbers(made, "tag-1")) == 0
    assert [row.tag for row in reviews.rows(made.ledger, limit=9)] == ["tag-2"]


def test_a_preview_counts_by_workflow_and_model(made: LedgerBuilder) -> None:
    queued = made.submit("tag", ["a", "b"], due_in=timedelta(hours=1))
    sent = made.accept(made.submit("news", ["c"], workflow="news", due_in=timedelta(minutes=1)))
    every, rows = numbers(made, "tag", "news"), [queued.id, sent.id]
    model = queued.model
    groups = previews.by_model(made.ledger, every)
    assert [(one.workflow, one.model, one.requests) for one in groups] == [
        ("feed", model, 2),
        ("news", model, 1),
    ]
    expected = ["2026-11-22T06:01:00.000Z", "2026-11-22T07:00:00.000Z"]
    assert previews.deadlines(made.ledger, every) == expected
    assert previews.deadlines_of_batches(made.ledger, rows) == expected
    assert previews.batch_keys(made.ledger, rows[::-1]) == [queued.key, sent.key]
    assert previews.counts(made.ledger, rows) == (2, 1)
    assert previews.paused_workflows(made.ledger, every) == []
