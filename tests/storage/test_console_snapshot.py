"""What the console's first screen shows, read at one moment."""

from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.storage import Storage

from state.operations import command_effects
from state.queries import console_snapshot
from state.queries.console_snapshot import Saved


def test_a_snapshot_holds_what_the_first_screen_shows(
    storage: Storage, made: LedgerBuilder
) -> None:
    made.collected("done", 3, [Failure()])
    running = made.accept(made.submit("running"))
    released = made.release(made.submit("released", 5))
    made.poll()
    made.hold("queue full")
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert [b.key for b in seen.open_batches] == [running.key]
    assert [b.key for b in seen.not_sent] == [released.key]
    assert [b.tag for b in seen.recent] == ["done"]
    assert [e.custom_id for e in seen.errors] == ["done-000"]
    assert seen.totals.queued_requests == 5
    assert seen.saved_today == seen.saved_30d == Saved(nano=2 * CENT, unpriced=0)
    assert [h.reason for h in seen.holds] == ["queue full"]
    assert seen.poller.last_finished_ts == seen.newest_event_ts


def test_a_request_that_errored_again_is_the_latest_error(
    storage: Storage, made: LedgerBuilder
) -> None:
    made.collected("a", 3, [Failure(), Failure(), Failure()])
    made.clock.advance(60)
    command_effects.requeue(made.ledger, 1, [2])
    (batch,) = made.plan()
    made.collect(made.accept(batch), [Failure("api_error")])
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert [error.custom_id for error in seen.errors] == ["a-001", "a-002", "a-000"]


def test_a_released_batch_is_not_shown_once_its_requests_run(
    storage: Storage, made: LedgerBuilder
) -> None:
    made.release(made.submit("released", 5))
    made.plan()
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert not seen.not_sent
    assert len(seen.open_batches) == 1


def test_savings_of_long_ago_are_in_the_total_only(storage: Storage, made: LedgerBuilder) -> None:
    made.collected("old", 1)
    made.clock.advance(40 * 86400)
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert seen.saved_today == seen.saved_30d == Saved(nano=0, unpriced=0)
    assert seen.totals.savings_nano == CENT
