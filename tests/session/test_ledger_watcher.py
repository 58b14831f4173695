import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import in_another_process
from support.ledgers.lock_holder import killed_holder
from textual.message import Message

from core.clock import OffsetClock
from state.batches import leases
from state.files.folder import Folder
from titan_console.session.ledger_watcher import LedgerWatcher, SnapshotReader
from titan_console.session.messages import LedgerChanged, LedgerLost


def seen(message: object) -> LedgerChanged:
    assert isinstance(message, LedgerChanged)
    return message


def lost(message: object) -> LedgerLost:
    assert isinstance(message, LedgerLost)
    return message


def test_an_unchanged_ledger_is_not_reported_again(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    assert seen(snapshots.read()).snapshot.totals.batches == 0
    assert snapshots.read() is None
    assert seen(snapshots.read(force=True)).snapshot.revision == 0
    snapshots.close()
    made.close()


def test_a_commit_of_another_connection_is_reported_with_its_lag(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    made.submit("first")
    assert seen(snapshots.read()).lag is None
    made.submit("second")
    made.clock.advance(0.25)
    message = seen(snapshots.read())
    assert [batch.tag for batch in message.snapshot.open_batches] == ["first", "second"]
    assert message.lag == timedelta(milliseconds=250)
    snapshots.close()
    made.close()


def test_what_another_clock_wrote_has_no_lag(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    made.submit("first")
    seen(snapshots.read())
    made.clock.advance(-30 * 86400)
    made.submit("of a month that is posted now")
    made.clock.advance(30 * 86400)
    assert seen(snapshots.read()).lag is None
    snapshots.close()
    made.close()


def test_a_missing_ledger_is_reported_once_and_opened_when_it_exists(tmp_path: Path) -> None:
    home = tmp_path / "titan"
    snapshots = SnapshotReader(Folder(home), OffsetClock(LedgerBuilder(tmp_path).clock))
    assert lost(snapshots.read()).problem.missing
    assert snapshots.read() is None
    made = LedgerBuilder(home)
    assert seen(snapshots.read()).snapshot.totals.batches == 0
    snapshots.close()
    made.close()


def test_a_ledger_that_is_just_being_created_is_none_yet(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path / "other")
    with closing(sqlite3.connect(tmp_path / "titan.db")) as begun:
        begun.execute("PRAGMA journal_mode=WAL")
    snapshots = SnapshotReader(Folder(tmp_path), OffsetClock(made.clock))
    assert lost(snapshots.read()).problem.missing
    snapshots.close()
    made.close()


def test_a_ledger_that_goes_away_is_not_read_from_beyond(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    snapshots.read()
    made.close()
    made.path.rename(tmp_path / "elsewhere.db")
    assert lost(snapshots.read()).problem.missing
    again = LedgerBuilder(tmp_path)
    again.submit("new")
    assert len(seen(snapshots.read()).snapshot.open_batches) == 1
    snapshots.close()
    again.close()


def test_a_ledger_of_a_later_version_is_one_calm_line(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.ledger.execute("PRAGMA user_version=99")
    made.close()
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    problem = lost(snapshots.read()).problem
    assert "version 99" in problem.reason
    assert not problem.missing
    assert snapshots.read() is None


def test_a_file_that_is_no_ledger_is_one_calm_line(tmp_path: Path) -> None:
    path = tmp_path / "titan.db"
    path.write_bytes(b"not a database, " * 100)
    snapshots = SnapshotReader(
        Folder(path.parent), OffsetClock(LedgerBuilder(tmp_path / "other").clock)
    )
    assert "is damaged" in lost(snapshots.read()).problem.reason


def test_a_row_of_an_unknown_event_kind_is_one_plain_line(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.poll()
    made.ledger.execute("UPDATE polls SET summary = 'not JSON'")
    snapshots = SnapshotReader(Folder(made.path.parent), OffsetClock(made.clock))
    assert "cannot be read" in lost(snapshots.read()).problem.reason
    made.close()


async def test_the_feed_posts_what_another_process_commits_last(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    posted: asyncio.Queue[Message] = asyncio.Queue()
    watcher = LedgerWatcher(Folder(tmp_path), OffsetClock(made.clock))
    following = asyncio.create_task(watcher.follow(posted.put_nowait))
    assert seen(await posted.get()).snapshot.totals.batches == 0
    await in_another_process(tmp_path, "for n in range(30): made.submit(f'tag-{n}')")
    batches = 0
    while batches < 30:
        batches = seen(await posted.get()).snapshot.totals.batches
    assert posted.empty()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    made.close()


async def test_a_reader_of_its_own_is_no_news(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    posted: asyncio.Queue[Message] = asyncio.Queue()
    watcher = LedgerWatcher(Folder(tmp_path), OffsetClock(made.clock))
    following = asyncio.create_task(watcher.follow(posted.put_nowait))
    await posted.get()
    other = sqlite3.connect(made.path)
    assert other.execute("SELECT count(*) FROM batches").fetchone() == (0,)
    other.close()
    os.utime(made.path)
    made.submit("real")
    assert seen(await posted.get()).snapshot.totals.batches == 1
    assert posted.empty()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    made.close()


async def test_the_feed_follows_a_folder_that_comes_goes_and_comes(tmp_path: Path) -> None:
    home = tmp_path / "titan"
    clock = LedgerBuilder(tmp_path).clock
    posted: asyncio.Queue[Message] = asyncio.Queue()
    following = asyncio.create_task(
        LedgerWatcher(Folder(home), OffsetClock(clock)).follow(posted.put_nowait)
    )
    assert lost(await posted.get()).problem.missing
    for number in range(2):
        LedgerBuilder(home).close()
        message = await posted.get()
        while not isinstance(message, LedgerChanged):
            message = await posted.get()
        home.rename(tmp_path / f"gone-{number}")
        while not (isinstance(message, LedgerLost) and message.problem.missing):
            message = await posted.get()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


_LOCK = """
import sys
from pathlib import Path
from state.db import liveness_lock
with liveness_lock.try_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_killed_poll_which_writes_nothing_is_a_change(tmp_path: Path) -> None:
    made, lock = LedgerBuilder(tmp_path), Folder(tmp_path).poll_lock
    snapshots = SnapshotReader(Folder(tmp_path), OffsetClock(made.clock))
    until = made.clock.now() + timedelta(minutes=15)
    with killed_holder(_LOCK, lock, says="locked"):
        leases.acquire(made.ledger, "poll", "poller", until=until, lock_id=lock.name)
        running = seen(snapshots.read())
        assert running.snapshot.poller.lease_holder == "poller"
        assert snapshots.read() is None
    killed = seen(snapshots.read())
    assert killed.snapshot.poller.lease_holder is None
    assert snapshots.read() is None
    snapshots.close()
    made.close()
