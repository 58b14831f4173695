"""Answers that are priced again: rows, batch, day and totals stay equal."""

from msgspec.structs import replace
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.ledger_views import attempt, ids, kinds, request
from support.ledgers.ledger_views import batch as named

from state.batches import repricing, stuck_batches
from state.model.records import Batch
from state.queries import ledger_status, spending


def doubled(made: LedgerBuilder, one: Batch) -> None:
    numbers = repricing.answer_ids(made.ledger, one)
    found = repricing.answers(made.ledger, one, numbers)
    repriced = [replace(a, cost_nano=2**60, sync_cost_nano=2**61, unpriced=None) for a in found]
    repricing.store(made.ledger, one, repriced)


def test_sums_follow_a_new_price(made: LedgerBuilder) -> None:
    one = made.collected("one", ["a", "b"], [Failure()])
    made.clock.advance(86_400)
    made.collected("two", ["c"])
    doubled(made, one)
    assert attempt(made.ledger, "one", "b").cost_nano == 2**60
    assert named(made.ledger, one.key).cost_nano == 2**60
    days = spending.by_day_column(made.ledger, "day", since_day="2026")
    assert [row.cost_nano for row in days] == [2**60, CENT]
    assert ledger_status.totals(made.ledger).savings_nano == 2**60 + CENT
    assert kinds(made.ledger, one)[-1] == "batch.repriced"


def test_an_unpriced_answer_gets_a_price(made: LedgerBuilder) -> None:
    one = made.collected("one", ["a"], cost_nano=None)
    doubled(made, one)
    totals = ledger_status.totals(made.ledger)
    assert (totals.unpriced, totals.cost_nano) == (0, 2**60)
    assert named(made.ledger, one.key).unpriced == 0


def test_a_batch_that_changed_since_it_was_read_is_left_alone(made: LedgerBuilder) -> None:
    one = made.collected("one", ["a"])
    doubled(made, replace(one, collect_tries=one.collect_tries - 1))
    doubled(made, replace(one, collected_ts=None))
    assert named(made.ledger, one.key) == one
    assert kinds(made.ledger, one)[-1] == "batch.collected"


def test_batches_with_answers_are_read_oldest_first_whatever_their_number(
    made: LedgerBuilder,
) -> None:
    keys = [made.collected(f"tag-{number}", 1).key for number in range(3)]
    made.submit("queued")
    assert [one.key for one in repricing.batches(made.ledger)] == keys


def test_the_model_of_a_failed_request_moves_its_count(made: LedgerBuilder) -> None:
    one = made.collected("one", ["a", "b", "c"], [Failure()] * 2)
    unnamed = repricing.unnamed_requests(made.ledger)
    assert [r.request_id for r in unnamed] == [ids(made.ledger, "one")[name] for name in "ab"]
    repricing.store_models(made.ledger, {unnamed[0].request_id: "claude-opus-5"})
    assert request(made.ledger, "one", "a").model == "claude-opus-5"
    by_model = spending.by_day_column(made.ledger, "model", since_day="2026")
    assert {row.name: (row.attempts, row.errored) for row in by_model} == {
        "claude-opus-5": (1, 1),
        one.model: (2, 1),
    }
    assert stuck_batches.awaited(made.ledger) == []
