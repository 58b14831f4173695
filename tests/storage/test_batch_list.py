"""Lists of batches: open ones, ended ones, by filter, by name."""

from collections.abc import Sequence

import pytest
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.ledger_builders import spooled, submit
from support.ledgers.ledger_views import ids
from support.ledgers.storage import Storage

from core.clock import ManualClock
from state.model.errors import UnknownId
from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm
from state.model.records import Outcome, RequestStatus
from state.operations import command_effects
from state.queries import batch_detail, batch_list, queued_requests
from state.queries.batch_list import BatchMatches


@pytest.fixture(autouse=True, params=[False, True], ids=["dense", "with gaps"])
def batches(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> None:
    """One batch in each state, an hour apart."""
    made.collected("done", 3, [Failure()])
    made.clock.advance(3600)
    made.refuse(made.submit("rejected", 1, workflow="news"))
    made.clock.advance(3600)
    made.release(made.submit("returned", 2))
    made.lose_the_answer(made.submit("lost_1", 1))
    made.clock.advance(3600)
    made.accept(made.submit("running", 1, model="claude-opus-5"))
    made.end(made.accept(made.submit("ended", 1)))
    if request.param:
        storage.spread_ids(made.ledger)
    made.submit("queued", 1, workflow="100%")


def matching(made: LedgerBuilder, *terms: Term) -> BatchMatches:
    return batch_list.matching(made.ledger, terms, made.clock.now())


def values(field: Field, *words: str, is_not: bool = False) -> Term:
    return ValuesTerm(field, words, is_not)


def test_open_batches_are_those_that_a_poll_works_on(made: LedgerBuilder) -> None:
    found = batch_list.open_batches(made.ledger)
    assert [one.tag for one in found] == ["lost_1", "running", "ended", "queued"]
    assert batch_list.count_open(made.ledger) == 4
    assert [b.tag for b in batch_list.closed_batches(made.ledger, limit=9)] == ["rejected", "done"]
    assert [b.tag for b in batch_list.closed_batches(made.ledger, limit=1)] == ["rejected"]


@pytest.mark.parametrize(
    ("term", "tags"),
    [
        (values(Field.STATUS, "queued", "unconfirmed"), ["lost_1", "queued"]),
        (values(Field.STATUS, "open"), ["lost_1", "running", "ended", "queued"]),
        (values(Field.STATUS, "pending"), ["ended"]),
        (values(Field.STATUS, "failed"), ["rejected", "done"]),
        (values(Field.STATUS, "open", is_not=True), ["returned", "rejected", "done"]),
        (values(Field.WORKFLOW, "NEWS"), ["rejected"]),
        (values(Field.WORKFLOW, "%"), ["queued"]),
        (values(Field.TAG, "_"), ["lost_1"]),
        (values(Field.ERROR, "queue is full"), ["returned"]),
        (values(Field.ERROR, "e", is_not=True), ["running", "ended", "queued", "done"]),
        (values(Field.MODEL, "opus"), ["running"]),
        (values(Field.MODEL, "opus", "haiku"), ["lost_1", "running", "ended", "queued"]),
        (values(Field.BATCH, "msgbatch_01tb-0001"), ["done"]),
        (values(Field.TEXT, "timeout", "done"), ["lost_1", "done"]),
        (BoundTerm(Field.AGE, Relation.OVER, 7200), ["done"]),
        (BoundTerm(Field.AGE, Relation.AT_MOST, 0), ["running", "ended", "queued"]),
        (BoundTerm(Field.COST, Relation.EQUAL, 2 * CENT), ["done"]),
        (BoundTerm(Field.COST, Relation.OVER, 0, is_not=True), None),
    ],
)
def test_a_filter_finds_exactly_what_it_says(
    made: LedgerBuilder, term: Term, tags: Sequence[str] | None
) -> None:
    found = matching(made, term)
    every = {one.tag for one in (*found.open, *found.others)}
    expected = {"rejected", "returned", "lost_1", "running", "ended", "queued"}
    if term == values(Field.MODEL, "opus", "haiku"):
        tags = ["done", *expected]
    assert every == (expected if tags is None else set(tags))
    assert found.open_count + found.others_count == len(every)


def test_open_matches_come_oldest_first_and_others_last_ended_first(made: LedgerBuilder) -> None:
    found = matching(made)
    assert [one.tag for one in found.open] == ["lost_1", "running", "ended", "queued"]
    assert [one.tag for one in found.others] == ["returned", "rejected", "done"]
    assert matching(made, values(Field.STATUS, "open"), values(Field.TAG, "x")).open_count == 0


def test_a_list_is_capped_and_its_count_is_not(made: LedgerBuilder) -> None:
    submit(made.ledger, [spooled(f"n{number}", part=number) for number in range(200)])
    found = matching(made)
    assert (len(found.open), found.open_count) == (200, 204)


def test_a_name_finds_the_submission_with_its_batches(made: LedgerBuilder) -> None:
    (submission,), (batch,) = batch_list.find(made.ledger, "done")
    assert batch_list.find(made.ledger, submission.key) == ([submission], [batch])
    assert batch_list.find(made.ledger, batch.remote_id or "") == ([submission], [batch])
    assert batch_detail.batch(made.ledger, batch.remote_id or "") == batch
    assert batch_detail.batch(made.ledger, "none") is None
    with pytest.raises(UnknownId):
        batch_list.find(made.ledger, "none")


def test_uncollected_batches_are_listed_since_they_were_accepted(made: LedgerBuilder) -> None:
    found = batch_list.uncollected_since(made.ledger, "2026-11-22T09:00:00.001Z")
    assert [one.tag for one in found] == ["running", "ended"]
    assert batch_list.uncollected_since(made.ledger, "2026-11-22T09:00:00.000Z") == []


def test_requests_without_a_batch_name_what_they_wait_for(
    made: LedgerBuilder, clock: ManualClock
) -> None:
    (waiting,) = queued_requests.without_batch(made.ledger)
    assert (waiting.tag, waiting.count, waiting.command) == ("returned", 2, None)
    assert waiting.not_sent is not None
    assert waiting.not_sent.tag == "returned"
    canceled = made.submit("canceled", 1)
    command_effects.cancel_unsent(made.ledger, canceled, "not needed")
    command_effects.requeue(made.ledger, 0, list(ids(made.ledger, "canceled").values()))
    other = queued_requests.without_batch(made.ledger)[1]
    assert (other.tag, other.not_sent) == ("canceled", None)
    assert clock.now() == made.clock.now()


def test_the_requests_of_a_batch_are_read_by_id(made: LedgerBuilder) -> None:
    (_,), (batch,) = batch_list.find(made.ledger, "done")
    numbers = batch_detail.requests_of(made.ledger, batch.key)
    assert list(numbers) == list(ids(made.ledger, "done").values())
    rows = batch_detail.rows_in(made.ledger, batch.remote_id or "", numbers[:2])
    assert [rows[n].status for n in numbers[:2]] == [RequestStatus.ERRORED, RequestStatus.SUCCEEDED]
    assert batch_detail.models_of(made.ledger, batch.key) == {batch.model: 3}
    (sums,) = batch_detail.sums_of(made.ledger, batch.key)
    assert (sums.answers, sums.cost_nano, sums.tokens.input_tokens) == (2, 2 * CENT, 1800)
    assert (sums.reasons, sums.duplicate, sums.unpriced) == ("", 0, 0)


def test_the_requests_that_failed_in_a_batch_are_its_first(made: LedgerBuilder) -> None:
    outcomes = (Outcome.CANCELED, Outcome.ERRORED, Outcome.CANCELED, Outcome.EXPIRED)
    batch = made.collected("mixed", 5, [Failure(outcome=outcome) for outcome in outcomes])
    one, two, three, four, five = ids(made.ledger, "mixed").values()
    listed = [two, four, one, three, five]
    assert list(batch_detail.requests_of(made.ledger, batch.key)) == listed
    waiting = made.submit("waiting", 3)
    sent = list(ids(made.ledger, "waiting").values())
    assert list(batch_detail.requests_of(made.ledger, waiting.key)) == sent
