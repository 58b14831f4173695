"""Where the ledger of a history is: a file of one host, or PostgreSQL for several hosts."""

import json
import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from simulation.process import Crash, Process
from support.ledgers.new_ledger import empty_ledger
from support.ledgers.postgres_database import an_empty_ledger
from support.ledgers.readable_copy import host_views, rows_in_sqlite

from core.clock import OffsetClock
from state.db.connection import connect, sqlite3
from state.db.ledger import Ledger
from state.db.postgres.connection import driver
from state.db.postgres.ledger import PostgresLedger
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl

if TYPE_CHECKING:
    from simulation.world import World

SQLITE, POSTGRES = "sqlite", "postgresql"
_OWNERS = "SELECT r.custom_id, s.host FROM requests r JOIN submissions s ON s.id = r.submission_id"
# How a connection ends at a commit: whether it was stored, and whether that can be found out.
_LOST = ("before the commit", "after the commit", "unknown, not stored", "unknown, stored")


class Place(Protocol):
    """The ledger, and the folders of the hosts that use it."""

    hosts: Sequence[Folder]

    def open(self, process: Process) -> Ledger:
        """The ledger as a process opens it."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query that both databases take."""
        ...

    def readable(self) -> Any:
        """For a block: a connection of SQLite to its rows."""
        ...

    def views(self) -> Any:
        """For a block, a folder for each host: its mirrors, all delivered files, all results."""
        ...

    def findings(self, ledger: sqlite3.Connection) -> Iterator[str]:
        """One line per violation of what hosts owe each other."""
        ...

    def kill(self, process: Process) -> None:
        """What the system does when a process is killed."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class LedgerFile:
    """A ledger of SQLite."""

    def __init__(self, home: Path, world: "World") -> None:
        self._world = world
        self._folder = Folder(home)
        self.hosts: Sequence[Folder] = (self._folder,)
        self._folder.ledger.write_bytes(empty_ledger())

    def open(self, process: Process) -> Ledger:
        ledger = Ledger(
            self._folder.ledger,
            now=process.clock.now,
            actor=process.name,
            crash_point=process.crash_point,
            new_id=self._world.new_id,
            monotonic=process.clock.monotonic,
        )
        # One thread runs all processes, so there is no waiting for locks, and a kill
        # loses no data.
        for pragma in ("synchronous=OFF", "temp_store=MEMORY", "busy_timeout=0"):
            ledger.connection.execute(f"PRAGMA {pragma}")
        return ledger

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.readable() as ledger:
            return [tuple(row) for row in ledger.execute(sql).fetchall()]

    @contextmanager
    def readable(self) -> Generator[sqlite3.Connection, None, None]:
        with closing(connect(self._folder.ledger)) as ledger:
            yield ledger

    @contextmanager
    def views(self) -> Generator[Sequence[Folder], None, None]:
        yield self.hosts

    def findings(self, ledger: sqlite3.Connection) -> Iterator[str]:
        """There is one host."""
        del ledger
        yield from ()

    def kill(self, process: Process) -> None:
        """Its files are closed with it."""

    def close(self) -> None:
        """Nothing is open."""


class SharedLedger:
    """A ledger in PostgreSQL; each host has a folder of its own."""

    def __init__(self, home: Path, world: "World") -> None:
        self._world = world
        self._database = an_empty_ledger()
        self._opened: list[SimulatedLedger] = []
        url = LedgerUrl(self._database.url)
        count = world.profile.hosts
        self.hosts: Sequence[Folder] = [Folder(home / f"host-{n + 1}", url) for n in range(count)]
        for folder in self.hosts:
            folder.root.mkdir()
        # The server's clock is not the API's either.
        apart_s = random.Random(f"server {world.seed}").uniform(-1, 1) * world.profile.skew
        self._server_skew = timedelta(seconds=apart_s)
        # Separate, so that a lost connection does not change the rest of a history.
        self.rng = random.Random(f"connections {world.seed}")

    def server_now(self) -> datetime:
        """What the clock of the server says."""
        return self._world.clock.now() + self._server_skew

    def open(self, process: Process) -> Ledger:
        self._opened = [ledger for ledger in self._opened if not ledger.is_closed]
        # As `open_engine` does.
        clock = OffsetClock(process.clock)
        process.clock = clock
        ledger = SimulatedLedger(self._database.url, process, self, self._world)
        clock.offset = ledger.clock_offset()
        self._opened.append(ledger)
        return ledger

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._database.rows(sql)]

    @contextmanager
    def readable(self) -> Generator[sqlite3.Connection, None, None]:
        with rows_in_sqlite(self._database.url) as ledger:
            yield ledger

    @contextmanager
    def views(self) -> Generator[Sequence[Folder], None, None]:
        with host_views(self._database.url, self.hosts) as found:
            yield found

    def findings(self, ledger: sqlite3.Connection) -> Iterator[str]:
        """Each host has delivered what is its own."""
        owners = dict(ledger.execute(_OWNERS).fetchall())
        for folder in self.hosts:
            for path in folder.staging.glob("*.jsonl"):
                names = {json.loads(line)["custom_id"] for line in path.read_bytes().splitlines()}
                for owner in {owners.get(name) for name in names} - {folder.root.name}:
                    yield f"P5: {folder.root.name} has delivered {path.name} of {owner}"

    def kill(self, process: Process) -> None:
        if isinstance(process.ledger, SimulatedLedger):
            process.ledger.cut()

    def close(self) -> None:
        for ledger in self._opened:
            ledger.cut()
        self._database.clear()


class SimulatedLedger(PostgresLedger):
    """A ledger whose clock is the simulated one, and whose connection may end at a commit."""

    def __init__(self, url: str, process: Process, place: SharedLedger, world: "World") -> None:
        self._of = process
        self._place = place
        self._world = world
        self._rng = place.rng
        self._is_unreachable = False
        super().__init__(
            url,
            process.folder.ledger,
            now=process.clock.now,
            actor=f"{process.name}@{process.folder.root.name}:1",
            crash_point=process.crash_point,
            new_id=world.new_id,
            monotonic=process.clock.monotonic,
            sleep=lambda _seconds: None,
        )
        self.remember_in(process.folder.last_seen)

    def _database_now(self) -> datetime:
        return self._place.server_now()

    @property
    def is_closed(self) -> bool:
        return bool(self._postgres.closed)

    def cut(self) -> None:
        """The connection ends."""
        self._postgres.close()

    def _connect(self) -> None:
        if self._of.killed:
            raise Crash
        if self._is_unreachable:
            raise driver().OperationalError("the server does not answer")
        super()._connect()

    def _begin(self) -> None:
        if self._loses_connection():
            self._note("between two transactions")
            self.cut()
        super()._begin()

    def _commit(self) -> None:
        if self._loses_connection():
            how = self._rng.choice(_LOST)
            self._note(how)
            if not how.endswith(("before the commit", "not stored")):
                with suppress(driver().Error):
                    self._postgres.execute("COMMIT")
            self.cut()
            self._is_unreachable = how.startswith("unknown")
        try:
            super()._commit()
        finally:
            self._is_unreachable = False

    def _loses_connection(self) -> bool:
        world = self._world
        return not world.is_quiet and self._rng.random() < world.profile.lost_connections

    def _note(self, how: str) -> None:
        self._world.figures.accidents[f"connection lost {how}"] += 1
        self._world.note(f"{self._of.name} loses its connection {how}")
