"""Processes that stand still at the worst moment, and two that do the same at once."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.api.api_wrapper import ApiWrapper
from support.builders import Bench, a_bench
from support.ledgers.postgres_database import an_empty_ledger
from support.lifecycle import batches, check_billing, check_once, poll_until_done, requests

from core.api.protocol import BatchApi, Body, Created
from core.poll import poll_run
from core.poll.poll_run import POLL_LEASE
from core.poll.poll_summary import PollSummary
from state.batches import leases
from state.db import liveness_lock
from state.model.errors import LeaseLost
from state.model.ledger_url import LedgerUrl
from state.model.records import RequestStatus
from state.queries import ledger_status

HOUR = 3600.0


class _Slow(ApiWrapper):
    """The real client; while a call is under way, something else happens."""

    def __init__(self, api: BatchApi, during: str, happens: Callable[[], object]) -> None:
        super().__init__(api)
        self._during = during
        self._happens = happens

    def create(self, body: Body) -> Created:
        created = self.api.create(body)
        self._strike("create")
        return created

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with self.api.results(remote_id) as pieces:
            self._strike("results")
            yield pieces

    def _strike(self, call: str) -> None:
        if call == self._during:
            self._during = ""
            self._happens()


def test_a_process_frozen_during_its_post_for_an_hour_finds_the_batch_handled(bench: Bench) -> None:
    """Fault 20: others adopt the batch meanwhile; the late answer changes nothing."""
    other = bench.new_engine("other")

    def others_work() -> None:
        for _ in range(4):
            bench.clock.advance(HOUR / 4)
            other.poll()

    slow = _Slow(bench.api(), "create", others_work)
    bench.engine = bench.new_engine("frozen", api=lambda: slow)
    bench.submit(3)
    poll_until_done(bench)
    check_once(bench, 3)
    assert [batch.identified_by for batch in batches(bench)] == ["nonce"]
    assert bench.sandbox.billing_log().creates == 1


@pytest.mark.parametrize("asleep", [0.0, 2 * HOUR])
def test_two_polls_that_collect_the_same_batch_leave_one_set_of_rows(
    tmp_path: Path, asleep: float
) -> None:
    """Faults 52 and 53: the second has no lease, or the first has slept through its own."""
    with a_bench(tmp_path / "t") as bench:
        bench.submit(5)
        other = bench.new_engine("other")

        def other_collects() -> None:
            bench.clock.advance(asleep)
            poll_run.run_steps(other.context, PollSummary())

        slow = _Slow(bench.api(), "results", other_collects)
        bench.engine = bench.new_engine("slow", api=lambda: slow)
        bench.poll_after(120)
        poll_until_done(bench)
        check_once(bench, 5)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> Iterator[LedgerUrl | None]:
    if request.param == "sqlite":
        yield None
        return
    database = an_empty_ledger()
    yield LedgerUrl(database.url)
    database.clear()


def test_a_poll_whose_lease_another_took_ends_in_one_line_and_writes_nothing(
    tmp_path: Path, ledger_url: LedgerUrl | None
) -> None:
    with a_bench(tmp_path / "t", ledger_url=ledger_url) as bench:
        bench.submit(5)
        other = bench.new_engine("poller@b:2")
        written = list[int]()

        def other_polls() -> None:
            ledger = other.context.ledger
            until = bench.clock.now() + timedelta(hours=1)
            leases.release(ledger, POLL_LEASE, bench.engine.context.instance_id)
            leases.acquire(ledger, POLL_LEASE, "poller@b:2/x", until=until)
            written.append(ledger.rows("SELECT value FROM revision")[0][0])

        slow = _Slow(bench.api(), "results", other_polls)
        bench.engine = bench.new_engine("slow", api=lambda: slow)
        with pytest.raises(LeaseLost, match=r"^poller@b:2 has taken over the lease 'poll'.*\.$"):
            bench.poll_after(120)
        ledger = other.context.ledger
        assert [ledger.rows("SELECT value FROM revision")[0][0]] == written
        assert ledger_status.poller(ledger).lease_holder == "poller@b:2/x"
        leases.release(ledger, POLL_LEASE, "poller@b:2/x")
        assert other.poll().collected == 1
        bench.engine = other
        check_once(bench, 5)
        check_billing(bench)


def test_a_poll_that_began_while_the_last_one_ended_keeps_its_lease(bench: Bench) -> None:
    """It has the lease, but not the lock, which the other still had."""
    bench.submit(1)
    other = bench.new_engine("other")
    summaries = list[PollSummary]()
    with ExitStack() as last_poll:
        last_poll.enter_context(liveness_lock.try_lock(bench.folder.poll_lock))

        def last_poll_ends() -> None:
            last_poll.close()
            summaries.append(other.poll())

        slow = _Slow(bench.api(), "results", last_poll_ends)
        bench.engine = bench.new_engine("slow", api=lambda: slow)
        assert bench.poll_after(120).collected == 1
    assert [summary.ran for summary in summaries] == [False]


def test_another_home_does_not_take_the_lease_of_one_that_lives(tmp_path: Path) -> None:
    """Its own lock is free: it says nothing of a poll on another host."""
    database = an_empty_ledger()
    url = LedgerUrl(database.url)
    with a_bench(tmp_path / "a", ledger_url=url) as a, a_bench(tmp_path / "b", ledger_url=url) as b:
        a.submit(1)
        summaries = list[PollSummary]()
        slow = _Slow(a.api(), "results", lambda: summaries.append(b.engine.poll()))
        a.engine = a.new_engine("a", api=lambda: slow)
        assert a.poll_after(120).collected == 1
        (summary,) = summaries
        assert (summary.ran, "Another poll is running" in summary.busy) == (False, True)
        # One of the same home that was killed is not waited for.
        until = a.clock.now() + timedelta(hours=1)
        with liveness_lock.try_lock(a.folder.poll_lock):
            lock_id = liveness_lock.place_id(a.folder.poll_lock)
        ledger = a.engine.context.ledger
        leases.acquire(ledger, POLL_LEASE, "killed", until=until, lock_id=lock_id)
        assert not b.engine.poll().ran
        assert a.engine.poll().ran
    database.clear()


def test_a_cancel_of_what_has_ended_changes_nothing(bench: Bench) -> None:
    """Fault 57."""
    bench.submit(2)
    bench.clock.advance(120)
    remote_id = batches(bench)[0].remote_id or ""
    assert bench.api().cancel(remote_id).status == "ended"
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    check_billing(bench)
