"""The ledger: one connection, one write at a time, each write one transaction."""

import json
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from state.db.connection import BUSY_TIMEOUT_S, sqlite3
from state.db.schema import open_current
from state.db.sqlite_errors import ledger_errors
from state.db.staged import POSITION, Columns, Staged, StagedInFile
from state.files.file_store import LOCAL_FILES, FileStore
from state.model.crash_points import no_crash_point
from state.model.errors import LeaseLost, LedgerUnusable
from state.model.timestamps import to_text

if TYPE_CHECKING:
    from state.db.staged import Parameters

    Row = sqlite3.Row


# Four times what SQLite copies into the ledger by itself.
_LONG_WAL = 1 << 24
# Whether the lease is still that of its holder.
HELD = "EXISTS (SELECT 1 FROM leases WHERE name = ? AND holder = ? AND epoch = ?)"
_FENCED_REVISION = f"UPDATE revision SET value = value + 1 WHERE {HELD}"  # noqa: S608 - our own words
# Crockford's alphabet: no two characters that look alike.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def random_id(length: int) -> str:
    """Random letters and digits from the operating system, five bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """The values that are the same for all writes of one transaction."""

    at: str


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """The lease that the writes of a connection depend on."""

    name: str
    holder: str
    epoch: int

    def terms(self) -> tuple[str | int, ...]:
        """The parameters of `HELD`."""
        return self.name, self.holder, self.epoch


class Ledger:
    """A connection to the ledger file. Use it on the thread that opened it."""

    _EVENT = (
        "INSERT INTO events (at, actor, kind, batch_id, subject, detail) VALUES (?, ?, ?, ?, ?, ?)"
    )

    # Whether processes of other hosts use it too. If not, `monotonic` is the machine's clock.
    is_shared = False

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        actor: str,
        crash_point: Callable[[str], None] = no_crash_point,
        new_id: Callable[[int], str] = random_id,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the ledger; creates or migrates it first if needed.

        `actor` is who the event log names; `new_id` makes keys and nonces of a given length;
        `monotonic` counts the machine's seconds, for leases.
        Raises LedgerUnusable, LedgerTooNew, LedgerBusy.
        """
        self.path = path
        self.actor = actor
        self.crash_point = crash_point
        self.new_id = new_id
        self.monotonic = monotonic
        self._now = now
        self._process = os.getpid()
        self._thread = get_ident()
        self._stagings = 0
        self._fence: Fence | None = None
        #: Keeps the spool and results files for other hosts.
        self.files: FileStore = LOCAL_FILES
        with self._errors():
            self._connect()

    @property
    def host(self) -> str:
        """That of this process, as its actor names it; "" where no other host uses the ledger."""
        who, _, _ = self.actor.rpartition(":")
        return who.rpartition("@")[2] if self.is_shared else ""

    @property
    def name(self) -> str:
        """What messages call the ledger."""
        return str(self.path)

    def _connect(self) -> None:
        self.connection, self._access = open_current(self.path)

    def _errors(self) -> AbstractContextManager[None]:
        """Raises the ledger's error for what the database raises inside."""
        return ledger_errors(self.path)

    def _run(self, sql: str, parameters: "Parameters") -> "sqlite3.Cursor":
        return self.connection.execute(sql, parameters)

    def _begin(self) -> None:
        self._run("BEGIN IMMEDIATE", ())
        if self._fence is None:
            self._run("UPDATE revision SET value = value + 1", ())
        elif not self._run(_FENCED_REVISION, self._fence.terms()).rowcount:
            raise self.lease_lost(self._fence)

    def lease_lost(self, fence: Fence) -> LeaseLost:
        """The error of an earlier holder, which names the present one."""
        row = self._run("SELECT holder FROM leases WHERE name = ?", (fence.name,)).fetchone()
        who = f"{row[0].rpartition('/')[0]} has" if row else "Another process has"
        return LeaseLost(
            f"{who} taken over the lease {fence.name!r} from this process, which gave no sign of"
            " life for too long, as while it was suspended. It stops, and has written nothing"
            " since."
        )

    @contextmanager
    def fenced(self, fence: Fence) -> Generator[None, None, None]:
        """Write inside only while that lease is held; each write raises LeaseLost otherwise."""
        self._fence = fence
        try:
            yield
        finally:
            self._fence = None

    def _commit(self) -> None:
        self._run("COMMIT", ())

    def _rollback(self) -> None:
        if self.connection.in_transaction:
            self._run("ROLLBACK", ())

    def __enter__(self) -> Self:
        """Use as `with Ledger(...) as ledger`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the file, and release the lock that writers share."""
        self.connection.close()
        self._access.close()

    def clock_offset(self) -> timedelta:
        """How far the clock that all hosts of the ledger share is ahead of the injected time."""
        return timedelta()

    def now_text(self) -> str:
        """The injected time, as the ledger writes it."""
        return to_text(self._now())

    @contextmanager
    def transaction(self, name: str) -> Generator[Transaction, None, None]:
        """Run the writes inside in one transaction.

        Raises IllegalTransition when a trigger or an index refuses, LedgerBusy, LeaseLost,
        LedgerUnusable.
        """
        if get_ident() != self._thread:
            raise LedgerUnusable(
                f"The ledger {self.name} was opened on another thread. Open one on each thread."
            )
        if os.getpid() != self._process:
            # SQLite's locks are those of the process that opened the file.
            raise LedgerUnusable(
                f"The ledger {self.name} was opened before this process was forked."
                " Open one in each process."
            )
        self.crash_point(f"{name}:begin")
        with self._errors():
            try:
                self._begin()
                yield Transaction(at=self.now_text())
                self.crash_point(f"{name}:commit")
                self._commit()
            except BaseException:
                self._rollback()
                raise
        self.crash_point(f"{name}:done")

    def rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """Every row of a query, read completely, since an open cursor would pin the WAL."""
        with self._errors():
            return self._run(sql, parameters).fetchall()

    def fresh_rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """The same: a ledger reads in no transaction but its own."""
        return self.rows(sql, *parameters)

    def row(self, sql: str, *parameters: str | float | bytes | None) -> "Row | None":
        """The first row of a query, if there is one."""
        found = self.rows(sql, *parameters)
        return found[0] if found else None

    def execute(self, sql: str, *parameters: str | float | bytes | None) -> int:
        """Run one statement inside a transaction, and return the number of rows it changed."""
        return self._run(sql, parameters).rowcount

    def insert(self, sql: str, *parameters: str | float | bytes | None) -> int:
        """Run one INSERT inside a transaction, and return the id of the row."""
        return self._run(sql, parameters).lastrowid or 0

    def next_id(self, table: str) -> int:
        """An id that no row of the table has, nor one above it, until the transaction ends."""
        return int(self.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0])  # noqa: S608 - our own name

    def tuples(
        self, sql: str, *parameters: str | float | bytes | None
    ) -> "Iterator[tuple[Any, ...]]":
        """Each row as a plain tuple. Read all rows at once: an open cursor pins the WAL."""
        with ledger_errors(self.path):
            cursor = self.connection.cursor()
            cursor.row_factory = None
            yield from cursor.execute(sql, parameters)

    def executemany(self, sql: str, rows: "Iterable[Parameters]") -> None:
        """Run one statement for each row of parameters."""
        with ledger_errors(self.path):
            self.connection.executemany(sql, rows)

    @contextmanager
    def staged(
        self, columns: Columns, rows: "Iterable[Parameters]" = (), *, key: str = POSITION
    ) -> "Generator[Staged, None, None]":
        """Create a temporary table with these columns and rows; drop it at the end of the block.

        `key` is the column whose values are distinct. `POSITION` is added to the columns, and
        numbers the rows from 1, in the order in which they are added. Raises LedgerUnusable where
        there is no space for it, IllegalTransition where two rows have one key.
        """
        self._stagings += 1
        table = self._staging(f"staged_{self._stagings}", columns, key)
        try:
            table.add_rows(rows)
            yield table
        finally:
            table.drop()

    def _staging(self, name: str, columns: Columns, key: str) -> Staged:
        return StagedInFile(self.connection, self.path, name, columns, key)

    def shrink(self) -> None:
        """Return free space to the file system."""
        self.rows("PRAGMA incremental_vacuum")
        self.checkpoint()

    def checkpoint(self) -> None:
        """Truncate a WAL that has grown long, unless another connection is reading from it."""
        wal = self.path.with_name(f"{self.path.name}-wal")
        if not wal.exists() or wal.stat().st_size < _LONG_WAL:
            return
        with ledger_errors(self.path):
            self.connection.execute("PRAGMA busy_timeout=0")
            try:
                # One that others keep from it is told in its row, and the next poll tries again.
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self.connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")

    def event(
        self,
        tx: Transaction,
        kind: str,
        *,
        batch_id: int | None = None,
        subject: str | None = None,
        **detail: object,
    ) -> None:
        """Append one event, inside a transaction."""
        self.execute(
            self._EVENT,
            *(tx.at, self.actor, kind, batch_id, subject, json.dumps(detail)),
        )
