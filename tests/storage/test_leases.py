"""Leases save double work, holds keep things back; both end by themselves."""

from datetime import timedelta

import pytest
from support.ledgers.ledger_views import detail, kinds
from support.ledgers.storage import START, Storage

from core.clock import ManualClock
from state.batches import leases
from state.db.ledger import Ledger
from state.model.errors import LeaseLost
from state.queries import ledger_status

SOON = START + timedelta(minutes=10)
LATER = START + timedelta(minutes=20)
DAY = timedelta(days=1)


def test_a_lease_is_one_holders_until_it_is_given_back(ledger: Ledger) -> None:
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    assert not leases.acquire(ledger, "poll", "b", until=LATER)
    assert leases.acquire(ledger, "another", "b", until=SOON)
    leases.release(ledger, "poll", "b")
    assert not leases.acquire(ledger, "poll", "b", until=LATER)
    leases.release(ledger, "poll", "a")
    assert leases.acquire(ledger, "poll", "b", until=LATER)


def test_a_lease_runs_out_and_can_be_renewed(ledger: Ledger, clock: ManualClock) -> None:
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    assert leases.acquire(ledger, "poll", "a", until=LATER)
    clock.advance(600)
    assert not leases.acquire(ledger, "poll", "b", until=LATER)
    clock.advance(600)
    assert leases.acquire(ledger, "poll", "b", until=LATER + timedelta(minutes=1))
    assert ledger_status.poller(ledger).lease_holder == "b"


def test_a_hold_ends_by_itself_or_is_lifted(ledger: Ledger, clock: ManualClock) -> None:
    assert leases.active_hold(ledger, "create") is None
    leases.set_hold(ledger, "create", until=SOON, reason="first")
    leases.set_hold(ledger, "create", until=LATER, reason="second")
    found = leases.active_hold(ledger, "create")
    assert found is not None
    assert (found.until_ts, found.reason) == ("2026-11-22T06:20:00.000Z", "second")
    assert [hold.name for hold in ledger_status.holds(ledger, now_ts=ledger.now_text())] == [
        "create"
    ]
    clock.advance(1200)
    assert leases.active_hold(ledger, "create") is None
    leases.set_hold(ledger, "create", until=LATER + timedelta(hours=1), reason="third")
    leases.end_hold(ledger, "create", reason="test")
    assert leases.active_hold(ledger, "create") is None


def test_a_poll_leaves_its_start_its_end_and_what_it_did(
    ledger: Ledger, clock: ManualClock
) -> None:
    number = leases.begin_poll(ledger)
    assert ledger_status.poller(ledger).last_finished_ts is None
    clock.advance(5)
    leases.end_poll(ledger, number, {"sent": 1})
    poller = ledger_status.poller(ledger)
    assert poller.last_started_ts == "2026-11-22T06:00:00.000Z"
    assert poller.last_finished_ts == "2026-11-22T06:00:05.000Z"
    assert poller.last_summary == {"sent": 1}


def test_of_two_connections_one_gets_the_lease(storage: Storage, ledger: Ledger) -> None:
    other = storage.open("other")
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    assert not leases.acquire(other, "poll", "b", until=LATER)
    leases.release(ledger, "poll", "a")
    assert leases.acquire(other, "poll", "b", until=LATER)
    assert not leases.acquire(ledger, "poll", "a", until=LATER)


def test_a_holder_writes_no_more_once_another_has_taken_over(
    storage: Storage, ledger: Ledger
) -> None:
    other = storage.open("other")
    fence = leases.acquire(ledger, "poll", "poller@a:1/x", until=SOON, lock_id="here")
    assert fence is not None
    with ledger.fenced(fence):
        leases.set_hold(ledger, "create", until=LATER, reason="before")
        leases.renew(ledger, fence, until=LATER)
        assert leases.acquire(other, "poll", "poller@b:2/y", until=SOON, lock_id="here")
        for write in (
            lambda: leases.set_hold(ledger, "create", until=LATER, reason="after"),
            lambda: leases.renew(ledger, fence, until=LATER),
            lambda: leases.check(ledger, fence),
        ):
            with pytest.raises(LeaseLost, match=r"^poller@b:2 has taken over .*\.$"):
                write()
        # Also when it has no holder, and when a later holder has its name.
        leases.release(other, "poll", "poller@b:2/y")
        with pytest.raises(LeaseLost):
            leases.renew(ledger, fence, until=LATER)
        assert leases.acquire(other, "poll", "poller@a:1/x", until=SOON)
        with pytest.raises(LeaseLost):
            leases.check(ledger, fence)
    last = leases.last_hold(ledger, "create")
    assert last is not None
    assert last.reason == "before"
    leases.set_hold(ledger, "create", until=LATER, reason="without a lease")


def test_a_lock_shows_only_that_a_holder_with_the_same_lock_is_dead(
    storage: Storage, ledger: Ledger
) -> None:
    other = storage.open("other")
    assert leases.acquire(ledger, "poll", "a", until=SOON, lock_id="here")
    assert not leases.acquire(other, "poll", "b", until=SOON, lock_id="elsewhere")
    assert not leases.acquire(other, "poll", "b", until=SOON)
    assert leases.acquire(other, "poll", "b", until=SOON, lock_id="here")
    leases.release(other, "poll", "b")
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    # Two that have no lock do not have the same one.
    assert not leases.acquire(other, "poll", "b", until=SOON)


def test_a_clock_that_was_set_back_keeps_no_lease_for_long(
    ledger: Ledger, clock: ManualClock
) -> None:
    """That of a machine begins anew with it; that of a database may after a failover."""
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    clock.advance(-86_400)
    is_dead = not ledger.is_shared
    assert bool(leases.acquire(ledger, "poll", "b", until=SOON - DAY)) == is_dead
    if not is_dead:
        clock.advance(599)
        assert not leases.acquire(ledger, "poll", "b", until=LATER - DAY)
        clock.advance(1)
        assert leases.acquire(ledger, "poll", "b", until=LATER - DAY)


def test_a_change_of_the_time_of_day_ends_no_lease(ledger: Ledger, clock: ManualClock) -> None:
    assert leases.acquire(ledger, "poll", "a", until=SOON)
    clock.jump(86_400)
    assert not leases.acquire(ledger, "poll", "b", until=LATER + timedelta(days=1))
    clock.jump(-2 * 86_400)
    assert not leases.acquire(ledger, "poll", "b", until=LATER - timedelta(days=1))


def test_a_hold_is_recorded_and_named_after_it_has_ended(
    ledger: Ledger, clock: ManualClock
) -> None:
    leases.set_hold(ledger, "create", until=SOON, reason="429")
    clock.advance(3600)
    last = leases.last_hold(ledger, "create")
    assert last is not None
    assert (last.reason, last.since_ts) == ("429", "2026-11-22T06:00:00.000Z")
    leases.end_hold(ledger, "create", reason="resumed")
    leases.end_hold(ledger, "create", reason="again")
    assert leases.last_hold(ledger, "create") is None
    assert kinds(ledger) == ["hold", "hold.lifted"]


def test_the_poller_names_its_last_failure_and_its_last_success(
    ledger: Ledger, clock: ManualClock
) -> None:
    leases.end_poll(ledger, leases.begin_poll(ledger), {})
    clock.advance(60)
    failed = leases.begin_poll(ledger)
    leases.end_poll(ledger, failed, {"left": ["collect"]}, error="the API is unreachable")
    leases.begin_poll(ledger)
    poller = ledger_status.poller(ledger)
    assert poller.last_error == "the API is unreachable"
    assert poller.last_success_ts == "2026-11-22T06:00:00.000Z"
    assert poller.last_summary == {"left": ["collect"]}
    assert detail(ledger, "poll.time_limit") == {"left": '["collect"]'}


def test_the_median_interval_needs_three_polls(ledger: Ledger, clock: ManualClock) -> None:
    found = list[timedelta | None]()
    for seconds in (0, 60, 900, 60):
        clock.advance(seconds)
        leases.begin_poll(ledger)
        found.append(ledger_status.median_poll_interval(ledger))
    assert found == [None, None, timedelta(minutes=15), timedelta(minutes=1)]


def test_the_median_interval_soon_follows_a_new_schedule(
    ledger: Ledger, clock: ManualClock
) -> None:
    for seconds in (*[900] * 30, *[60] * 4):
        clock.advance(seconds)
        leases.begin_poll(ledger)
    assert ledger_status.median_poll_interval(ledger) == timedelta(minutes=1)
