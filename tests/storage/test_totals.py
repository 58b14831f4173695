"""The totals of batches and days are those of their attempts, whatever happens to a batch."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import CENT, USAGE, Failure, LedgerBuilder
from support.ledgers.ledger_builders import a_result, store_results
from support.ledgers.ledger_views import batch as named
from support.ledgers.ledger_views import ids
from support.ledgers.recount import SINCE, check_totals
from support.ledgers.storage import Storage

from state.batches import recorded_calls, repricing, stuck_batches, sync_runs
from state.batches.collection import Completion
from state.db.ledger import Ledger
from state.model.records import Batch, CollectedResult, CollectionStatus, Counts, Outcome
from state.model.usage import Iteration, Usage
from state.operations import command_effects
from state.queries import batch_list, cache_usage, spending
from state.recovery import rebuild

_ADVICE = Iteration(
    type="advisor_message", model="claude-opus-5-5", cache_read_tokens=150_000, output_tokens=3
)
# Each has another price.
CACHED = (
    replace(USAGE, cache_read_tokens=2000),
    replace(USAGE, cache_write_1h_tokens=1000, inference_geo="us"),
    replace(USAGE, cache_write_5m_tokens=10, cache_read_tokens=250_000, service_tier="batch"),
    replace(USAGE, cache_read_tokens=7, speed="fast", web_searches=2, iterations=(_ADVICE,)),
    replace(USAGE, iterations=(_ADVICE, Iteration(type="compaction", cache_write_5m_tokens=9))),
    USAGE,
)
NAMES = [f"c{number}" for number in range(len(CACHED))]


def an_answer(custom_id: str, usage: Usage, **fields: int | str | None) -> CollectedResult:
    answer = replace(a_result(custom_id), usage=usage, fee_nano=usage.web_searches * 5)
    return replace(answer, **fields)  # pyright: ignore[reportArgumentType]


def answers() -> list[CollectedResult]:
    """Cached and uncached ones of several models, one without a price."""
    found = [an_answer(name, usage) for name, usage in zip(NAMES, CACHED, strict=True)]
    found[1] = replace(found[1], model="claude-opus-5-5")
    found[2] = replace(found[2], cost_nano=None, sync_cost_nano=None, unpriced="no known price")
    return found


def accepted(made: LedgerBuilder, tag: str = "t", names: list[str] = NAMES) -> Batch:
    return made.accept(made.submit(tag, names))


def cached(made: LedgerBuilder, tag: str = "t") -> Batch:
    """A collected batch with those answers."""
    ended = made.end(accepted(made, tag))
    assert store_results(made.ledger, ended, *answers()).complete
    return named(made.ledger, ended.key)


def batches_with_totals(ledger: Ledger) -> set[str]:
    return {row.name for row in spending.spending(ledger, "batch", since_ts=SINCE[0])}


def test_a_batch_is_in_the_totals_once_it_is_complete(made: LedgerBuilder) -> None:
    ended = made.end(accepted(made))
    first, *others = answers()
    assert not store_results(made.ledger, ended, first).complete
    assert batches_with_totals(made.ledger) == set()
    assert cache_usage.since(made.ledger, "") == []
    made.clock.advance(86_400)
    assert store_results(made.ledger, named(made.ledger, ended.key), *others).complete
    check_totals(made.ledger, "t")
    assert len(cache_usage.since(made.ledger, "")) == 6


def test_failures_replays_and_duplicates_count_as_attempts(made: LedgerBuilder) -> None:
    late = Failure("x", "late", Outcome.EXPIRED)
    made.collected("t", ["a", "b", "c", "d"], [Failure(), late])
    found = ids(made.ledger, "t")
    command_effects.requeue(made.ledger, 0, [found["a"], found["b"]])
    made.clock.advance(86_400)
    (second,) = made.plan()
    made.collect(made.accept(second), [Failure()], usage=CACHED[0])
    check_totals(made.ledger, "t")
    third = accepted(made, "u", ["e", "f"])
    command_effects.detach(made.ledger, third, [ids(made.ledger, "e")["e"]], "run now")
    (again,) = made.plan()
    made.collect(made.accept(again))
    made.collect(made.batch(third.key), usage=CACHED[1])
    check_totals(made.ledger, "t", "u")
    total = sum(r.duplicate_nano for r in spending.spending(made.ledger, "tag", since_ts=SINCE[0]))
    assert total == CENT


def test_a_batch_that_returns_has_the_totals_of_its_last_collection(made: LedgerBuilder) -> None:
    cached(made, "u")
    sent = accepted(made)
    assert stuck_batches.write_off(made.ledger, sent, "404")
    end = Completion(status=CollectionStatus.DELETED, reason="deleted")
    store_results(made.ledger, named(made.ledger, sent.key), *answers()[:2], end=end)
    check_totals(made.ledger, "t", "u")
    made.clock.advance(86_400)
    assert stuck_batches.reopen(made.ledger, named(made.ledger, sent.key))
    assert sent.key not in batches_with_totals(made.ledger)
    check_totals(made.ledger, "u")
    assert store_results(made.ledger, named(made.ledger, sent.key), *answers()).complete
    check_totals(made.ledger, "t", "u")


def test_totals_follow_new_prices_and_usage(storage: Storage, made: LedgerBuilder) -> None:
    one = cached(made)
    storage.spread_ids(made.ledger)
    one = named(made.ledger, one.key)
    found = repricing.answers(made.ledger, one, repricing.answer_ids(made.ledger, one))
    changed = [
        replace(answer, cost_nano=2**40 + number, sync_cost_nano=None, usage=usage, unpriced=None)
        for number, (answer, usage) in enumerate(zip(found, reversed(CACHED), strict=True))
    ]
    for page in (changed[:4], changed[4:]):
        repricing.store(made.ledger, one, page)
        check_totals(made.ledger, "t")
    repricing.store(made.ledger, one, [replace(a, usage=USAGE, cost_nano=1) for a in changed])
    check_totals(made.ledger, "t")
    assert cache_usage.since(made.ledger, "") == []


def test_totals_follow_the_models_of_requests(made: LedgerBuilder) -> None:
    made.collected("t", ["a", "b"], [Failure()] * 2)
    for number in repricing.unnamed_requests(made.ledger):
        repricing.store_models(made.ledger, {number.request_id: "claude-opus-5-5"})
        check_totals(made.ledger, "t")
    rows = spending.spending(made.ledger, "model", since_ts=SINCE[0])
    assert [(row.name, row.errored) for row in rows] == [("claude-opus-5-5", 2)]


@pytest.mark.parametrize("count", [1, 3])
def test_synchronous_runs_and_recorded_calls_have_totals(made: LedgerBuilder, count: int) -> None:
    made.release(made.submit("t", ["a", "b", "c"]))
    (submission,) = batch_list.submissions_of(made.ledger, "t")
    run = sync_runs.begin(made.ledger, submission, runner="me", max_bytes=1000)
    assert run is not None
    done = ["a", "b", "c"][:count]
    sync_runs.record_end(made.ledger, run, done, Counts(succeeded=count), "ended")
    results = [an_answer(name, CACHED[0]) for name in done]
    assert store_results(made.ledger, named(made.ledger, run.key), *results).complete
    recorded_calls.record(
        made.ledger,
        key="tb_call",
        tag="call",
        workflow="talk",
        model="claude-sonnet-4-6",
        answered=an_answer("x", CACHED[3], cost_nano=7),
    )
    check_totals(made.ledger, "t", "call")


def test_requests_that_a_rebuild_cannot_place_are_in_the_totals(made: LedgerBuilder) -> None:
    made.release(made.submit("t", ["a", "b"]))
    (submission,) = batch_list.submissions_of(made.ledger, "t")
    assert rebuild.mark_lost(made.ledger, submission.id, submission.key, "nonce", "lost") == 2
    check_totals(made.ledger, "t")
    (row,) = spending.spending(made.ledger, "batch", since_ts=SINCE[1])
    assert (row.attempts, row.lost) == (2, 2)
