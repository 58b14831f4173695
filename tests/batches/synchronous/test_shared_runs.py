"""Synchronous runs where hosts share a ledger: one that lives is left alone by the other hosts."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.ledgers.postgres_database import an_empty_ledger

from core.batches.synchronous import sync_run as runs
from state.batches import sync_runs
from state.db.ledger import Ledger
from state.model.errors import LeaseLost
from state.model.ledger_url import LedgerUrl
from state.model.records import Batch, Submission


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two homes on one ledger; the second calls the API of the first."""
    database = an_empty_ledger()
    url = LedgerUrl(database.url)
    with a_bench(tmp_path / "a", ledger_url=url) as a, a_bench(tmp_path / "b", ledger_url=url) as b:
        b.engine = b.new_engine("b", api=a.api)
        yield a, b
    database.clear()


@contextmanager
def a_run(bench: Bench) -> Generator[tuple[Submission, Batch, Callable[[], None]], None, None]:
    """A run that has begun and asked nothing yet."""
    bench.faults.add("create:429:times=1")
    submission = bench.submit(3).submission
    context = bench.engine.context
    with runs._claim(context, submission.key) as claim:
        assert claim is not None
        batch = sync_runs.begin(context.ledger, submission, runner="a", max_bytes=1000)
        assert batch is not None
        yield submission, batch, claim


def expire(ledger: Ledger) -> None:
    """An hour without a sign of life."""
    with ledger.transaction("test"):
        ledger.execute("UPDATE leases SET expires_at = 0 WHERE name LIKE 'sync:%'")


def test_a_run_that_lives_on_another_host_is_left_alone(hosts: tuple[Bench, Bench]) -> None:
    a, b = hosts
    with a_run(a) as (submission, _, _):
        assert b.engine.poll().sent == 0
        with runs._claim(b.engine.context, submission.key) as claim:
            assert claim is None
    # Its own host knows at once that it has ended.
    assert a.poll_after(900).sent == 1


def test_a_dead_run_is_left_to_its_host_for_an_hour(hosts: tuple[Bench, Bench]) -> None:
    a, b = hosts
    with pytest.raises(KeyboardInterrupt), a_run(a):
        raise KeyboardInterrupt
    assert b.engine.poll().sent == 0
    expire(b.engine.context.ledger)
    summary = b.engine.poll()
    # The answers that it may have are on the other host.
    assert any("up to 3 calls may be charged" in problem for problem in summary.problems)


def test_a_run_that_another_host_has_taken_over_asks_nothing_more(
    hosts: tuple[Bench, Bench],
) -> None:
    """It was suspended for longer than its lease."""
    a, b = hosts
    with a_run(a) as (submission, batch, check):
        check()
        expire(b.engine.context.ledger)
        with runs._claim(b.engine.context, submission.key) as claim:
            assert claim is not None
        with pytest.raises(LeaseLost):
            runs._run(a.engine.context, a.api(), batch, check)
    assert a.sandbox.billing_log().messages == ()
