"""Requests with the attempt that counts, for results files and exports, page by page."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.ledger_builders import a_result, store_results
from support.ledgers.ledger_views import ids, request
from support.ledgers.storage import Storage

from state.model.records import Outcome, RequestStatus, Submission
from state.operations import command_effects
from state.queries import batch_list, request_detail, result_rows
from state.queries.request_detail import FileSpan


@pytest.fixture(params=[False, True], ids=["dense", "with gaps"])
def submission(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> Submission:
    """Requests b, a and c: a failed and is replayed; c was answered."""
    made.collected("tag", ["a", "b", "c"], [Failure("api_error", "no")])
    if request.param:
        storage.spread_ids(made.ledger)
    command_effects.requeue(made.ledger, 0, list(ids(made.ledger, "a").values()))
    made.submit("other", 2)
    return batch_list.submissions_of(made.ledger, "tag")[0]


def test_every_request_is_delivered_in_order(made: LedgerBuilder, submission: Submission) -> None:
    rows = list(result_rows.delivered_rows(made.ledger, submission))
    assert [(row.custom_id, row.outcome, row.cost_nano) for row in rows] == [
        ("a", "errored", 0),
        ("b", "succeeded", CENT),
        ("c", "succeeded", CENT),
    ]
    assert (rows[0].error_type, rows[0].error_message) == ("api_error", "no")


def test_a_replay_shows_the_failure_until_it_has_ended(
    made: LedgerBuilder, submission: Submission
) -> None:
    (again,) = [b for b in made.plan() if b.submission_id == submission.id]
    first, *_ = result_rows.results(made.ledger, submission)
    assert (first.status, first.outcome) == (RequestStatus.QUEUED, Outcome.ERRORED)
    made.collect(made.accept(again))
    first, *_ = result_rows.results(made.ledger, submission)
    assert (first.status, first.outcome, first.batch_key) == ("succeeded", "succeeded", again.key)
    (only,) = result_rows.results(made.ledger, submission, batch=again)
    assert only.custom_id == "a"


def test_a_result_names_its_line(made: LedgerBuilder, submission: Submission) -> None:
    ended = made.end(made.accept(made.submit("line", ["x"])))
    result = replace(a_result("x"), offset=2**40, length=2**33)
    store_results(made.ledger, ended, result)
    (number,) = ids(made.ledger, "line").values()
    (row,) = result_rows.export_rows(made.ledger, [number])
    assert (row.batch_key, row.result_offset, row.result_length) == (ended.key, 2**40, 2**33)
    expected = FileSpan(f"{ended.key}.jsonl", 2**40, 2**33)
    assert request(made.ledger, "line", "x").attempts[0].result == expected
    assert submission.request_count == 3


def test_exports_keep_the_order_that_was_asked_for(
    made: LedgerBuilder, submission: Submission
) -> None:
    found = ids(made.ledger, "tag")
    asked = [found["c"], 2**40, found["a"], found["b"], found["c"]]
    rows = list(result_rows.export_rows(made.ledger, asked))
    assert [row.custom_id for row in rows] == ["c", "a", "b", "c"]
    assert [row.attempts for row in rows] == [1, 1, 1, 1]
    every = [row.request_id for row in result_rows.export_rows(made.ledger)]
    assert every == sorted(every)
    assert every[:3] == list(found.values())
    assert submission.tag == rows[0].tag


def test_a_request_without_a_batch_has_no_attempt(made: LedgerBuilder) -> None:
    made.submit("tag", ["a"])
    (number,) = ids(made.ledger, "tag").values()
    (row,) = result_rows.export_rows(made.ledger, [number])
    assert (row.outcome, row.cost_nano, row.result_offset, row.ended_ts) == (None,) * 4
    assert request_detail.request(made.ledger, "tag", "none") is None


def test_requests_of_many_pages_are_read_whole(made: LedgerBuilder) -> None:
    names = [f"n{number:05d}" for number in range(2_001)]
    made.submit("tag", names)
    (submission,) = batch_list.submissions_of(made.ledger, "tag")
    for rows in (
        result_rows.delivered_rows(made.ledger, submission),
        result_rows.results(made.ledger, submission),
        result_rows.export_rows(made.ledger),
    ):
        assert [row.custom_id for row in rows] == names


def test_pages_are_stable_while_requests_are_added(made: LedgerBuilder) -> None:
    made.submit("tag", [f"n{number:05d}" for number in range(1_500)])
    (submission,) = batch_list.submissions_of(made.ledger, "tag")
    rows = result_rows.delivered_rows(made.ledger, submission)
    seen = [next(rows).custom_id for _ in range(10)]
    made.submit("later", 5)
    seen += [row.custom_id for row in rows]
    assert len(seen) == len(set(seen)) == 1_500
