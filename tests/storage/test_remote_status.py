"""What the API reports of a batch, batches that vanish, and those that return."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_result, remote, store_results
from support.ledgers.ledger_views import attempt, kinds, statuses
from support.ledgers.ledger_views import batch as named

from state.batches import collection, remote_status, sending, stuck_batches
from state.batches.collection import Completion
from state.batches.sending import RemoteState
from state.model.records import Batch, BatchStatus, CollectionStatus, Counts, Outcome
from state.queries import batch_list, ledger_status, spending


@pytest.fixture
def sent(made: LedgerBuilder) -> Batch:
    return made.accept(made.submit("tag", ["a", "b"]))


def reported(sent: Batch, status: BatchStatus, **fields: object) -> RemoteState:
    made = replace(remote(status=status), remote_id=sent.remote_id, counts=sent.counts)
    return replace(made, **fields)


def test_status_and_counts_are_stored(made: LedgerBuilder, sent: Batch) -> None:
    counts = Counts(processing=1, succeeded=1)
    state = reported(sent, BatchStatus.IN_PROGRESS, counts=counts)
    assert remote_status.record_status(made.ledger, sent, state).counts == counts
    before = ledger_status.revision(made.ledger)
    remote_status.record_status(made.ledger, named(made.ledger, sent.key), state)
    assert ledger_status.revision(made.ledger) == before


def test_a_batch_that_ended_is_to_be_collected(made: LedgerBuilder, sent: Batch) -> None:
    ended = remote_status.record_status(made.ledger, sent, reported(sent, BatchStatus.ENDED))
    assert (ended.status, ended.collection) == (BatchStatus.ENDED, CollectionStatus.PENDING)
    assert [one.id for one in remote_status.to_collect(made.ledger)] == [sent.id]
    assert remote_status.open_at_api(made.ledger) == []
    assert remote_status.has_ended_since(made.ledger, ended.ended_ts or "") is False
    assert remote_status.has_ended_since(made.ledger, "2026-11-22T06:59:59.999Z") is True
    assert kinds(made.ledger, sent)[-1] == "batch.ended"


def test_an_older_list_takes_back_neither_a_cancel_nor_an_end(
    made: LedgerBuilder, sent: Batch
) -> None:
    old = reported(sent, BatchStatus.IN_PROGRESS)
    cancel = reported(sent, BatchStatus.CANCELING, cancel_ts="2026-11-22T06:30:00.000Z")
    canceling = remote_status.record_status(made.ledger, sent, cancel)
    again = remote_status.record_status(made.ledger, canceling, old)
    assert (again.status, again.cancel_ts) == (BatchStatus.CANCELING, canceling.cancel_ts)
    ended = remote_status.record_status(made.ledger, again, reported(sent, BatchStatus.ENDED))
    assert remote_status.record_status(made.ledger, sent, cancel) == ended
    assert kinds(made.ledger, sent)[-2:] == ["batch.canceling", "batch.ended"]


def test_failed_polls_are_counted_until_one_succeeds(made: LedgerBuilder, sent: Batch) -> None:
    later = made.clock.now() + timedelta(minutes=5)
    for _ in range(2):
        remote_status.record_poll_failure(made.ledger, sent, "529", next_poll=later)
    found = named(made.ledger, sent.key)
    assert (found.failures, found.last_error, found.not_found_ts) == (2, "529", None)
    assert found.next_poll_ts == "2026-11-22T06:05:00.000Z"
    found = remote_status.record_status(made.ledger, found, reported(sent, BatchStatus.IN_PROGRESS))
    assert (found.failures, found.last_error, found.next_poll_ts) == (0, None, None)


def test_the_first_404_is_remembered(made: LedgerBuilder, sent: Batch) -> None:
    first = made.ledger.now_text()
    for _ in range(2):
        remote_status.record_poll_failure(
            made.ledger, sent, "404", next_poll=made.clock.now(), is_not_found=True
        )
        made.clock.advance(60)
    assert named(made.ledger, sent.key).not_found_ts == first
    made.clock.jump(-3600)
    remote_status.record_poll_failure(
        made.ledger, sent, "404", next_poll=made.clock.now(), is_not_found=True
    )
    assert named(made.ledger, sent.key).not_found_ts == made.ledger.now_text()


def test_a_failed_poll_of_a_batch_without_a_response_changes_nothing(made: LedgerBuilder) -> None:
    lost = made.lose_the_answer(made.submit("tag"))
    remote_status.record_poll_failure(made.ledger, lost, "529", next_poll=made.clock.now())
    assert named(made.ledger, lost.key) == lost


def test_accounts_in_use_are_those_of_open_batches(made: LedgerBuilder, sent: Batch) -> None:
    made.collected("done")
    made.submit("queued")
    (one,) = remote_status.accounts_in_use(made.ledger, since_ts="2026")
    assert (one.server, one.account, one.batches) == (None, "org", 1)
    assert remote_status.accounts_in_use(made.ledger, since_ts=sent.created_ts) == []


def write_off(made: LedgerBuilder, sent: Batch) -> Batch:
    assert stuck_batches.write_off(made.ledger, sent, "404")
    end = Completion(status=CollectionStatus.DELETED, reason="deleted")
    with collection.staged(made.ledger) as staged:
        collection.commit(
            made.ledger, named(made.ledger, sent.key), staged, results_bytes=0, end=end
        )
    return named(made.ledger, sent.key)


def test_a_stuck_batch_is_noted_once_and_cleared(made: LedgerBuilder, sent: Batch) -> None:
    stuck_batches.mark_stuck(made.ledger, sent, "404")
    made.clock.advance(60)
    stuck_batches.mark_stuck(made.ledger, sent, "404")
    (found,) = stuck_batches.awaited(made.ledger)
    assert found.stuck_ts == "2026-11-22T06:00:00.000Z"
    stuck_batches.clear_stuck(made.ledger, found)
    assert stuck_batches.awaited(made.ledger) == []
    assert kinds(made.ledger, sent)[-2:] == ["batch.stuck", "batch.found_again"]


def test_a_batch_that_is_written_off_ends_its_requests_as_missing(
    made: LedgerBuilder, sent: Batch
) -> None:
    stuck_batches.mark_stuck(made.ledger, sent, "404")
    found = write_off(made, sent)
    assert (found.status, found.collection) == (BatchStatus.ENDED, CollectionStatus.DELETED)
    assert statuses(made.ledger, "tag") == {"a": "missing", "b": "missing"}
    assert not stuck_batches.write_off(made.ledger, found, "again")
    assert stuck_batches.write_off_reason(made.ledger, found) == "404"
    assert [one.id for one in stuck_batches.with_missing_requests(made.ledger)] == [sent.id]
    assert batch_list.submissions_of(made.ledger, "tag")[0].finished_ts is not None


def test_a_batch_that_returns_is_collected_and_counted_once(
    made: LedgerBuilder, sent: Batch
) -> None:
    found = write_off(made, sent)
    assert [one.id for one in stuck_batches.written_off(made.ledger, accepted_after_ts="2026")] == [
        sent.id
    ]
    assert stuck_batches.reopen(made.ledger, found)
    assert not stuck_batches.reopen(made.ledger, found)
    returned = named(made.ledger, sent.key)
    assert (returned.collection, returned.collected_ts) == (CollectionStatus.PENDING, None)
    assert stuck_batches.write_off_reason(made.ledger, returned) is None
    assert attempt(made.ledger, "tag", "a").outcome is None
    done = store_results(made.ledger, returned, a_result("a"), a_result("b", Outcome.ERRORED))
    assert (done.new, done.complete) == (2, True)
    totals = ledger_status.totals(made.ledger)
    assert (totals.succeeded, totals.failed_requests, totals.cost_nano) == (1, 1, 50)
    (day,) = spending.by_day_column(made.ledger, "day", since_day="2026")
    assert (day.attempts, day.succeeded, day.errored, day.lost) == (2, 1, 1, 0)


def test_the_next_search_for_written_off_batches_is_recorded(
    made: LedgerBuilder, sent: Batch
) -> None:
    found = write_off(made, sent)
    stuck_batches.schedule_check(made.ledger, [found], made.clock.now())
    assert named(made.ledger, sent.key).next_poll_ts == made.ledger.now_text()
    assert sending.count_accepted(made.ledger, [found]) == 1
