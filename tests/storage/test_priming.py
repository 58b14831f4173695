"""Submissions that write the cache with few requests first: who waits, and what is gained."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import USAGE, LedgerBuilder
from support.ledgers.ledger_builders import a_submission, spooled
from support.ledgers.ledger_views import attempt, ids, kinds
from support.ledgers.ledger_views import batch as named

from state.batches import priming_records, sending, submissions
from state.batches.priming_records import NewPrefix, NewPriming
from state.db.ledger import Ledger
from state.model.records import Batch
from state.operations import pauses
from state.queries import cache_usage

UNTIL = "2026-11-22T07:00:00.000Z"
NEW = NewPriming(
    prefixes=(
        NewPrefix(head="h1", blocks=2, position=1),
        NewPrefix(head="h2", blocks=1, position=3),
    ),
    until_ts=UNTIL,
)
WRITTEN = replace(USAGE, cache_write_1h_tokens=1000)


def primed(ledger: Ledger, tag: str = "tag") -> tuple[Batch, Batch]:
    """Its first requests, a and c, and the others, b and d."""
    new = a_submission(ledger, tag, workflow="feed")
    with submissions.staged(ledger, map(spooled, "abcd")) as staged:
        submissions.store(ledger, staged, new, wire_overhead=0, priming=NEW)
    return named(ledger, new.key), named(ledger, f"{new.key}-2")


def send(made: LedgerBuilder, row: Batch) -> Batch:
    sending.mark_sending(
        made.ledger, row, watermark_id="", watermark_ts=None, owner="x", cache_marks=True
    )
    sending.mark_accepted(made.ledger, row, made._remote(row), "org")
    return named(made.ledger, row.key)


def release(made: LedgerBuilder, *, in_time: bool = True) -> bool:
    (waiting,) = priming_records.waiting(made.ledger)
    return priming_records.release(made.ledger, waiting, in_time=in_time)


def test_the_first_request_of_each_prefix_is_sent_first(made: LedgerBuilder) -> None:
    first, others = primed(made.ledger)
    sent = [r.custom_id for r in sending.sent_requests(made.ledger, first)]
    assert sent == ["a", "c"]
    assert [one.id for one in sending.queued(made.ledger)] == [first.id]
    assert not sending.mark_sending(
        made.ledger, others, watermark_id="", watermark_ts=None, owner="x"
    )
    assert priming_records.waits_until(made.ledger, others) == UNTIL
    assert priming_records.waits_until(made.ledger, first) is None


def test_it_is_over_when_the_first_requests_have_ended(made: LedgerBuilder) -> None:
    first, _ = primed(made.ledger)
    sent = send(made, first)
    assert [one.is_over for one in priming_records.waiting(made.ledger)] == [False]
    made.collect(sent)
    assert [one.is_over for one in priming_records.waiting(made.ledger)] == [True]


@pytest.mark.parametrize(
    ("usage", "in_time", "is_written"),
    [(WRITTEN, True, True), (USAGE, True, False), (WRITTEN, False, False)],
)
def test_the_others_are_marked_only_where_the_cache_was_written(
    made: LedgerBuilder, usage: object, in_time: bool, is_written: bool
) -> None:
    first, others = primed(made.ledger)
    made.collect(send(made, first), usage=usage)  # pyright: ignore[reportArgumentType]
    assert release(made, in_time=in_time) == is_written
    assert [one.id for one in sending.queued(made.ledger)] == [others.id]
    marks = priming_records.marks_of(made.ledger, others, "2026-11-22T06:30:00.000Z")
    assert marks == ({"h1": 2, "h2": 1} if is_written else {})
    assert priming_records.marks_of(made.ledger, others, UNTIL) == {}
    assert kinds(made.ledger)[-1] == f"submission.{'primed' if is_written else 'unprimed'}"


def test_requests_of_a_primed_submission_are_named_with_its_prefixes(made: LedgerBuilder) -> None:
    primed(made.ledger)
    made.submit("other", ["x"])
    numbers = list(ids(made.ledger, "tag", "other").values())
    (found,) = priming_records.of_requests(made.ledger, numbers)
    assert (found.workflow, found.is_written, found.until_ts) == ("feed", False, UNTIL)
    assert found.blocks_by_head == {"h1": 2, "h2": 1}
    assert sorted(found.request_ids) == sorted(ids(made.ledger, "tag").values())


def finished(made: LedgerBuilder, tag: str) -> int:
    """A primed submission that has ended; its id."""
    first, others = primed(made.ledger, tag)
    made.collect(send(made, first), usage=WRITTEN)
    assert release(made)
    made.collect(send(made, others))
    assert first.submission_id is not None
    return first.submission_id


def test_the_gain_is_recorded_once_and_the_second_loss_stops(made: LedgerBuilder) -> None:
    stops: list[bool] = []
    for tag, gain in (("one", 5), ("two", -(2**55)), ("three", -1), ("four", -1)):
        number = finished(made, tag)
        ((found, key, workflow),) = priming_records.unmeasured(made.ledger)
        assert found == number
        assert len(priming_records.marked_batches(made.ledger, number)) == 2
        stops.append(priming_records.record_gain(made.ledger, number, key, workflow, gain))
        assert not priming_records.record_gain(made.ledger, number, key, workflow, -9)
    assert stops == [False, False, True, False]
    stop = priming_records.stop_of(made.ledger, "feed")
    assert stop is not None
    assert (stop.losses, stop.lost_nano) == (3, 2**55 + 2)
    assert pauses.resume(made.ledger, ["feed"], reason="") == ["feed"]
    assert priming_records.stops(made.ledger) == []


def test_the_use_of_a_cache_is_read_by_batch(made: LedgerBuilder) -> None:
    finished(made, "one")
    made.collected("uncached", 2)
    (use,) = cache_usage.since(made.ledger, "2026-11-22")
    assert (use.answers, use.written_1h, use.read, use.is_primed) == (2, 2000, 0, True)
    assert cache_usage.of_batches(made.ledger, [use.batch_key]) == [use]
    (totals,) = cache_usage.totals_since(made.ledger, "2026-11-22")
    assert totals.tokens.cache_write_1h_tokens == 2000
    assert cache_usage.of_groups(made.ledger, [totals.group]) == [use]
    assert attempt(made.ledger, "one", "a").usage.cache_write_1h_tokens == 1000
