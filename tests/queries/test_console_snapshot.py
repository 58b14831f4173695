from pathlib import Path

from support.console.console_builders import CENT, Failure, LedgerBuilder

from state.db.reader import Reader
from state.queries import console_snapshot
from state.queries.console_snapshot import Saved


def test_a_snapshot_holds_what_the_first_screen_shows(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("done", 3, [Failure()])
    running = made.accept(made.submit("running"))
    released = made.release(made.submit("released", 5))
    made.poll()
    made.hold("queue full")
    with Reader(made.path) as reader:
        seen = console_snapshot.take(reader, made.clock.now())
        assert not reader.connection.in_transaction
    made.close()
    assert [b.key for b in seen.open_batches] == [running.key]
    assert [b.key for b in seen.not_sent] == [released.key]
    assert [b.tag for b in seen.recent] == ["done"]
    assert [e.custom_id for e in seen.errors] == ["done-000"]
    assert seen.totals.queued_requests == 5
    assert seen.saved_today == seen.saved_30d == Saved(nano=2 * CENT, unpriced=0)
    assert [h.reason for h in seen.holds] == ["queue full"]
    assert seen.poller.last_finished_ts == seen.newest_event_ts


def test_a_released_batch_is_shown_no_more_once_its_requests_run(tmp_path: Path) -> None:
    from state.batches.batch_planning import plan_queued  # noqa: PLC0415 - only this test plans

    made = LedgerBuilder(tmp_path)
    made.release(made.submit("released", 5))
    plan_queued(made.ledger, max_requests=100, max_bytes=10_000, wire_overhead=10)
    with Reader(made.path) as reader:
        seen = console_snapshot.take(reader, made.clock.now())
    made.close()
    assert not seen.not_sent
    assert len(seen.open_batches) == 1


def test_savings_of_long_ago_are_in_the_total_only(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("old", 1)
    made.clock.advance(40 * 86400)
    with Reader(made.path) as reader:
        seen = console_snapshot.take(reader, made.clock.now())
    made.close()
    assert seen.saved_today == seen.saved_30d == Saved(nano=0, unpriced=0)
    assert seen.totals.savings_nano == CENT
