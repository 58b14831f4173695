"""A time of day that jumps: leases go by the machine's own seconds."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from support.builders import Bench
from support.lifecycle import check_once, poll_until_done, statuses

from core.poll.poll_run import POLL_LEASE
from state.batches import leases, sending
from state.db import liveness_lock

DAY = 86_400.0
MINUTE = 60.0


@contextmanager
def _hung_holder(bench: Bench) -> Generator[None, None, None]:
    hung = bench.new_engine("hung").context
    until = bench.clock.now().replace(minute=15)
    with liveness_lock.try_lock(bench.folder.poll_lock):
        assert leases.acquire(hung.ledger, POLL_LEASE, hung.instance_id, until=until)
        yield


@pytest.mark.parametrize("jump", [DAY, -DAY, 3600.0, -3600.0])
def test_a_hung_holder_blocks_for_its_lease_and_no_longer_whatever_the_clock_does(
    bench: Bench, jump: float
) -> None:
    with _hung_holder(bench):
        bench.clock.jump(jump)
        assert bench.poll_after(14 * MINUTE).ran is False
        assert bench.poll_after(1 * MINUTE).ran is True


def test_after_a_restart_of_the_machine_a_lease_of_before_is_over(bench: Bench) -> None:
    bench.clock.advance(7200)
    bench.clock.jump(-7200)
    with _hung_holder(bench):
        bench.clock.advance(-7200)
        assert bench.engine.poll().ran is True


@pytest.mark.parametrize("jump", [DAY, -DAY, 3600.0, -3600.0])
def test_a_jump_of_the_clock_loses_nothing_and_pays_nothing_twice(
    bench: Bench, jump: float
) -> None:
    bench.submit(3)
    bench.clock.jump(jump)
    bench.submit(2, tag="another")
    poll_until_done(bench, polls=150)
    bench.clock.jump(-jump)
    bench.poll_after(900)
    assert bench.sandbox.billing_log().creates == 2
    assert len(list(bench.sandbox.billing_log().billed())) == 5


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_jump_while_an_answer_is_lost_still_finds_the_batch(bench: Bench, jump: float) -> None:
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    bench.clock.jump(jump)
    poll_until_done(bench, polls=150)
    check_once(bench, 3)


@pytest.mark.parametrize("jump", [-DAY, -4 * DAY])
def test_a_sender_that_died_before_the_clock_went_back_is_not_waited_for_until_then(
    bench: Bench, jump: float
) -> None:
    bench.faults.add("list:connect")
    bench.submit(3)
    bench.faults.clear()
    ledger = bench.engine.context.ledger
    (queued,) = sending.queued(ledger)
    sending.mark_sending(ledger, queued, watermark_id="", watermark_ts=None, owner="dead")
    bench.clock.jump(jump)
    assert bench.poll_after(60).ran
    assert statuses(bench) == ["unconfirmed"]
    poll_until_done(bench)
    check_once(bench, 3)
