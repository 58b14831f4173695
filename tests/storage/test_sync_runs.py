"""Synchronous runs: begun once, ended once, and what was not answered is queued again."""

from collections.abc import Sequence

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_result, store_results
from support.ledgers.ledger_views import attempt, detail, ids, request, statuses
from support.ledgers.ledger_views import batch as named

from state.batches import remote_status, sync_runs
from state.model.errors import LedgerUnusable
from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Counts,
    RequestStatus,
    Submission,
)
from state.queries import batch_list, ledger_status

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT


@pytest.fixture
def waiting(made: LedgerBuilder) -> Submission:
    """Three requests that are in no batch."""
    made.release(made.submit("tag", ["a", "b", "c"]))
    return batch_list.submissions_of(made.ledger, "tag")[0]


def begin(made: LedgerBuilder, waiting: Submission, *names: str) -> Batch:
    found = ids(made.ledger, "tag")
    only = [found[name] for name in names] if names else None
    run = sync_runs.begin(made.ledger, waiting, runner="me", max_bytes=1000, only=only)
    assert run is not None
    return run


def test_a_run_takes_the_queued_requests_at_once(made: LedgerBuilder, waiting: Submission) -> None:
    run = begin(made, waiting)
    assert (run.kind, run.status, run.owner) == (BatchKind.SYNC, BatchStatus.SENDING, "me")
    assert (run.request_count, run.sent_ts) == (3, made.ledger.now_text())
    assert statuses(made.ledger, "tag") == dict.fromkeys("abc", IN_FLIGHT)
    assert sync_runs.begin(made.ledger, waiting, runner="other", max_bytes=1000) is None
    assert sync_runs.unfinished(made.ledger) == [run]
    assert sync_runs.submission_key(made.ledger, run) == waiting.key


def test_a_run_takes_those_that_are_named(made: LedgerBuilder, waiting: Submission) -> None:
    begin(made, waiting, "b")
    assert statuses(made.ledger, "tag") == {"a": QUEUED, "b": IN_FLIGHT, "c": QUEUED}


def test_a_run_that_is_not_admitted_takes_nothing(made: LedgerBuilder, waiting: Submission) -> None:
    def refuse(_: Sequence[int]) -> None:
        raise LedgerUnusable("over budget")

    with pytest.raises(LedgerUnusable):
        sync_runs.begin(made.ledger, waiting, runner="me", max_bytes=1000, admit=refuse)
    assert sync_runs.unfinished(made.ledger) == []
    assert statuses(made.ledger, "tag") == dict.fromkeys("abc", QUEUED)


def test_a_run_is_of_one_set_of_betas(made: LedgerBuilder) -> None:
    made.release(made.submit("tag", ["a"], betas="x,y"))
    (one,) = batch_list.submissions_of(made.ledger, "tag")
    assert [betas for betas, _ in sync_runs.waiting(made.ledger, one)] == ["x,y"]
    assert sync_runs.begin(made.ledger, one, runner="me", max_bytes=1000) is None
    run = sync_runs.begin(made.ledger, one, runner="me", max_bytes=1000, betas="x,y")
    assert run is not None
    assert run.betas == ("x", "y")
    assert sync_runs.waiting(made.ledger, one) == []


def test_what_a_run_did_not_answer_is_queued_again(
    made: LedgerBuilder, waiting: Submission
) -> None:
    run = begin(made, waiting)
    counts = Counts(succeeded=2)
    end = sync_runs.record_end
    assert end(made.ledger, run, ["a", "c"], counts, "stopped", unwritten=1)
    assert not end(made.ledger, run, ["a", "c"], counts, "again")
    found = named(made.ledger, run.key)
    assert (found.status, found.collection) == (BatchStatus.ENDED, CollectionStatus.PENDING)
    assert found.request_count == 2
    assert statuses(made.ledger, "b") == {"b": QUEUED}
    # The attempt of the first batch is left; that of the run was none.
    assert len(request(made.ledger, "tag", "b").attempts) == 1
    assert detail(made.ledger, "batch.possible_duplicate_charge")["requests"] == 1
    assert store_results(made.ledger, found, a_result("a"), a_result("c")).complete
    assert attempt(made.ledger, "tag", "a").kind == BatchKind.SYNC
    assert ledger_status.totals(made.ledger).succeeded == 2


def test_a_run_without_answers_was_not_sent(made: LedgerBuilder, waiting: Submission) -> None:
    run = begin(made, waiting)
    assert not sync_runs.record_end(made.ledger, run, [], Counts(), "killed")
    assert named(made.ledger, run.key).status == BatchStatus.NOT_SENT
    assert statuses(made.ledger, "tag") == dict.fromkeys("abc", QUEUED)
    assert remote_status.to_collect(made.ledger) == []


def test_queued_batches_are_withdrawn_for_a_run(made: LedgerBuilder) -> None:
    made.submit("tag", ["a", "b"])
    (one,) = batch_list.submissions_of(made.ledger, "tag")
    assert sync_runs.withdraw_queued(made.ledger, one, "to run now") == 1
    assert sync_runs.withdraw_queued(made.ledger, one, "again") == 0
    run = sync_runs.begin(made.ledger, one, runner="me", max_bytes=1000)
    assert run is not None
    assert run.request_count == 2
