"""Leases save double work, holds keep things back; both end by themselves."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START, a_ledger

from core.clock import ManualClock
from state.batches import leases
from state.db.ledger import Ledger
from state.queries import ledger_status

SOON = START + timedelta(minutes=10)
LATER = START + timedelta(minutes=20)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> Generator[Ledger, None, None]:
    with a_ledger(tmp_path, clock=clock) as made:
        yield made


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
