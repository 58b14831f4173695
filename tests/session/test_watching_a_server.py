"""A console follows a ledger in PostgreSQL: by notifications, by asking, past a lost server."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

import pytest
from support.console.console_builders import NOW, LedgerBuilder
from support.ledgers.postgres_database import Database
from support.processes.postgres_server import the_server
from textual.message import Message

from core.clock import ManualClock, OffsetClock
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.files.file_store import LOCAL_FILES
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.ledger_url import LedgerUrl
from titan_console.session import ledger_watcher
from titan_console.session.ledger_watcher import LedgerWatcher
from titan_console.session.messages import LedgerChanged, LedgerLost

NEVER_S = 3600.0
# The connections of the console.
_OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'titan-console' AND pid <> pg_backend_pid()"
)


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Iterator[LedgerBuilder]:
    """What another host writes."""
    clock = ManualClock(NOW)
    with PostgresLedger(
        database.url, tmp_path / "other" / "titan.db", now=clock.now, actor="poller@other:1"
    ) as ledger:
        # Submissions of a `LedgerBuilder` have no spool files.
        ledger.files = LOCAL_FILES
        yield LedgerBuilder(ledger, clock)


def no_notification(_folder: Folder, _wake: Callable[[], None]) -> None:
    """As behind a pooler that passes on none."""


Posted = asyncio.Queue[Message]


@asynccontextmanager
async def watching(url: str, home: Path) -> AsyncGenerator[Posted]:
    posted = Posted()
    watcher = LedgerWatcher(Folder(home, LedgerUrl(url)), OffsetClock(ManualClock(NOW)))
    following = asyncio.create_task(watcher.follow(posted.put_nowait))
    try:
        yield posted
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def until_batches(posted: Posted, count: int) -> None:
    while True:
        message = await posted.get()
        if isinstance(message, LedgerChanged) and message.snapshot.totals.batches == count:
            return


async def until_lost(posted: Posted) -> str:
    while True:
        message = await posted.get()
        if isinstance(message, LedgerLost):
            return message.problem.reason


@pytest.mark.parametrize("way", ["notified", "asked"])
async def test_the_commit_of_another_host_is_seen(
    database: Database,
    made: LedgerBuilder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "notified":
        monkeypatch.setattr(ledger_watcher, "_POLL_S", NEVER_S)
    else:
        monkeypatch.setattr(ledger_watcher, "commit_listener", no_notification)
    async with watching(database.url, tmp_path) as posted:
        await until_batches(posted, 0)
        for count in (1, 2, 3):
            made.submit(f"tag-{count}")
            await until_batches(posted, count)


async def test_a_server_that_ends_is_lost_and_seen_again_when_it_is_back(
    database: Database, made: LedgerBuilder, tmp_path: Path
) -> None:
    made.submit("before")
    async with watching(database.url, tmp_path) as posted:
        await until_batches(posted, 1)
        open_to = f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS"
        the_server().run("postgres", f"{open_to} false")
        try:
            made.ledger.rows(_OTHERS.replace("pid", "pg_terminate_backend(pid)", 1))
            assert "no connection to the server" in await until_lost(posted)
        finally:
            the_server().run("postgres", f"{open_to} true")
        await until_batches(posted, 1)


async def test_a_server_that_hangs_is_lost_until_it_replies(
    database: Database, made: LedgerBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_watcher, "_SILENT_S", 0.2)
    async with watching(database.url, tmp_path) as posted:
        await until_batches(posted, 0)
        pids = [int(pid) for (pid,) in made.ledger.tuples(_OTHERS)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            assert "No reply from the server" in await until_lost(posted)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await until_batches(posted, 0)


def test_a_query_is_canceled_without_waiting_and_the_next_one_is_not(
    made: LedgerBuilder, database: Database, tmp_path: Path
) -> None:
    ended = list[str]()
    with PostgresReader(database.url, tmp_path / "titan.db") as reader:

        def ask() -> None:
            try:
                with reader.read_transaction():
                    reader.rows("SELECT pg_sleep(60)")
            except LedgerError as error:
                ended.append(str(error))
            reader.rows("SELECT count(*) FROM requests")
            ended.append("asked")

        asking = Thread(target=ask)
        asking.start()
        while not made.ledger.rows(f"{_OTHERS} AND query LIKE '%pg_sleep%' AND state = 'active'"):
            pass
        reader.interrupt()
        asking.join()
    assert len(ended) == 2
    assert ended[1] == "asked"
