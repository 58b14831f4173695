"""The console's reader and workers on a ledger in PostgreSQL."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import console, failed, given, replay_the_error
from support.console.console_pilot import app_of, until_shown
from support.ledgers.postgres_database import Database
from support.processes.postgres_server import the_server

from core.clock import OffsetClock, SystemClock
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.db.reader import Source
from state.model.ledger_url import LedgerUrl
from state.operations import hosts
from titan_console.session.ledger_watcher import SnapshotReader
from titan_console.session.messages import LedgerChanged, LedgerLost
from titan_console.session.query_worker import QueryWorker, Superseded


@pytest.fixture
def bench(tmp_path: Path, database: Database) -> Iterator[Bench]:
    with a_bench(tmp_path / "titan", ledger_url=LedgerUrl(database.url)) as made:
        yield made


def test_a_snapshot_is_taken_after_each_commit_and_after_a_lost_connection(
    bench: Bench, database: Database
) -> None:
    snapshots = SnapshotReader(bench.folder, OffsetClock(bench.clock))
    assert isinstance(snapshots.read(), LedgerChanged)
    assert snapshots.read() is None
    bench.submit(2)
    changed = snapshots.read()
    assert isinstance(changed, LedgerChanged)
    assert changed.snapshot.totals.requests == 2
    reader = snapshots._kept.get()
    assert isinstance(reader, PostgresReader)
    pid = reader._postgres.info.backend_pid
    the_server().run(database.name, f"SELECT pg_terminate_backend({pid})")
    lost = snapshots.read()
    assert isinstance(lost, LedgerLost)
    assert (lost.problem.code, lost.problem.missing) == ("ledger_unreachable", False)
    assert isinstance(snapshots.read(), LedgerChanged)
    snapshots.close()


def test_a_database_without_a_ledger_is_no_error(bench: Bench) -> None:
    name = the_server().new_database()
    folder = type(bench.folder)(bench.folder.root / "new", LedgerUrl(the_server().url(name)))
    lost = SnapshotReader(folder, OffsetClock(bench.clock)).read()
    assert isinstance(lost, LedgerLost)
    assert lost.problem.missing
    the_server().drop_database(name)


async def test_a_newer_query_cancels_the_running_one(bench: Bench) -> None:
    worker = QueryWorker(bench.folder)
    running = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(source: Source) -> int:
        loop.call_soon_threadsafe(running.set)
        return len(source.rows("SELECT pg_sleep(60)"))

    first = asyncio.create_task(worker.ask(slow))
    await running.wait()
    await asyncio.sleep(0.05)
    for _ in range(5):
        assert await worker.ask(lambda source: source.rows("SELECT 7")[0][0]) == 7
    with pytest.raises(Superseded):
        await first
    worker.close()


async def test_a_command_of_the_console_is_carried_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(_of: PostgresLedger | PostgresReader) -> datetime:
        return bench.clock.now()

    monkeypatch.setattr(PostgresLedger, "_database_now", now)
    monkeypatch.setattr(PostgresReader, "server_now", now)
    failed(bench, 1)
    async with console(bench) as pilot:
        await replay_the_error(pilot)
        bench.clock.advance(9)
        await until_shown(pilot, "✓ 1 request queued for replay")
    assert [command.state for command in given(bench)] == ["done"]


async def test_the_console_goes_by_the_clock_of_the_server(bench: Bench) -> None:
    async with console(bench) as pilot:
        state = app_of(pilot).state
        assert abs(state.now() - SystemClock().now()) < timedelta(minutes=5)
        assert abs(state.now() - bench.clock.now()) > timedelta(days=1)


async def test_the_doctor_screen_names_the_hosts_whose_rules_differ(
    bench: Bench, database: Database
) -> None:
    other = PostgresLedger(
        database.url, bench.folder.root / "titan.db", now=SystemClock().now, actor="poll@other:7"
    )
    with other:
        hosts.record(other, "elsewhere", {"[budgets]": "another"})
    async with console(bench) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "titan.toml of host other differs from that of this host")
