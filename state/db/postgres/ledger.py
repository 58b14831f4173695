"""The ledger in a PostgreSQL database: one write at a time, each write one transaction."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from state.db.ledger import HELD, Ledger, random_id
from state.db.postgres import last_seen
from state.db.postgres.connection import BUSY_TIMEOUT_S, connect, driver
from state.db.postgres.errors import postgres_errors
from state.db.postgres.files import PostgresFiles
from state.db.postgres.schema import LOCK, NOTIFY, check_version, open_current
from state.db.postgres.staged import StagedByCopy
from state.db.postgres.statements import query
from state.db.postgres.streamed import streamed
from state.db.schema import VERSION
from state.files.folder import Folder
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerError, LedgerUnusable
from state.model.ledger_url import public_name

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

    from state.db.postgres.rows import Row
    from state.db.staged import Columns, Parameters, Staged
    from state.files.file_store import FileStore

# A process that is suspended inside a transaction holds up the other hosts for no longer.
_IDLE_S = 120
# A transaction is READ COMMITTED: each statement after the lock sees all that was committed.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    f" SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_S}s';"
    f" {NOTIFY}; {LOCK}"
).encode()
# As many newest transactions have their key in `commits`.
_KEPT = 4096
# A program of an earlier version that has the ledger open writes no more once it was migrated.
_REVISION = (
    "WITH new AS (UPDATE revision SET value = value + 1"  # noqa: S608 - our own numbers
    f" WHERE EXISTS (SELECT 1 FROM titan_ledger WHERE version = {VERSION}){{held}}"
    " RETURNING value)"
    f" INSERT INTO commits (slot, revision, key) SELECT value %% {_KEPT}, value, %s FROM new"
    " ON CONFLICT (slot) DO UPDATE SET revision = excluded.revision, key = excluded.key"
    " RETURNING revision"
)
_UNFENCED = _REVISION.format(held="").encode()
_FENCED = _REVISION.format(held=f" AND {HELD}".replace("?", "%s")).encode()
_COMMITTED = "SELECT c.revision, c.key, r.value FROM revision r LEFT JOIN commits c ON c.slot = %s"
# Between tries to reach the server again, after a commit without a reply.
_RECONNECT_S = (0.0, 0.2, 1.0, 3.0, 8.0, 15.0)


class PostgresLedger(Ledger):
    """A connection to the ledger. Use it on the thread that opened it."""

    is_shared = True
    # A sequence would leave a gap where a transaction is rolled back.
    _EVENT = (
        "INSERT INTO events (id, at, actor, kind, batch_id, subject, detail)"
        " SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?::bigint, ?, ? FROM events"
    )

    def __init__(
        self,
        url: str,
        path: Path,
        *,
        now: Callable[[], datetime],
        actor: str,
        crash_point: Callable[[str], None] = no_crash_point,
        new_id: Callable[[int], str] = random_id,
        monotonic: Callable[[], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,  # noqa: TID251 - after a lost connection
    ) -> None:
        """Open the ledger; creates it first if needed.

        `path` is where the ledger of this host would be, beside its files. `monotonic` is by
        default the clock of the database, by which leases of all hosts expire.
        Raises LedgerUnusable, LedgerTooNew, LedgerBusy.
        """
        self._url = url
        self._sleep = sleep
        self._seen: Path | None = None
        self._stored: tuple[int, str] | None = None
        super().__init__(
            path,
            now=now,
            actor=actor,
            crash_point=crash_point,
            new_id=new_id,
            monotonic=monotonic or self._database_seconds,
        )
        self.files: FileStore = PostgresFiles(self._live, self.name, crash_point=crash_point)

    @property
    def _home(self) -> Folder:
        return Folder(self.path.parent)

    @property
    def name(self) -> str:
        """What messages call the ledger."""
        return public_name(self._url)

    def _connect(self) -> None:
        self._is_writing = False
        self._postgres = connect(self._url)
        try:
            open_current(self._postgres, self.name, self._home)
            self._check_seen()
        except BaseException:
            self._postgres.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if not self._postgres.closed:
            with suppress(driver().Error):
                self._note_newest()
        self._postgres.close()

    def remember_in(self, path: Path) -> None:
        """Note the newest transaction that this host has seen in that file from now on.

        Raises LedgerUnusable where the ledger lacks the one that is noted there.
        """
        self._seen = path
        try:
            with self._errors():
                self._check_seen()
        except BaseException:
            # What was seen before counts.
            self._seen = None
            self.close()
            raise

    def _check_seen(self) -> None:
        if self._seen is not None:
            self._note_stored()
            last_seen.check(self._postgres, last_seen.read(self._seen), self.name)

    def _note_stored(self) -> None:
        """Note the newest transaction of this process, for the next one of this host."""
        if self._seen is not None and self._stored is not None:
            last_seen.note(self._postgres, self._seen, *self._stored)

    def _note_newest(self) -> None:
        """Note the newest transaction of the ledger: this host may have stored none."""
        if self._seen is not None:
            last_seen.note_newest(self._postgres, self._seen)

    def _errors(self) -> AbstractContextManager[None]:
        return postgres_errors(self.name)

    def _live(self) -> "Connection[Row]":
        """The connection, opened again where it ended outside of a transaction."""
        if self._postgres.closed and not self._is_writing:
            self._connect()
        return self._postgres

    def _run(self, sql: str, parameters: "Parameters") -> "Cursor[Row]":  # pyright: ignore[reportIncompatibleMethodOverride] - what is used of a cursor is the same
        return self._live().execute(query(sql), parameters)

    def _begin(self) -> None:
        self._key = secrets.token_hex(8)
        self._open_transaction()
        self._is_writing = True
        fence = self._fence
        try:
            if fence is None:
                began = self._postgres.execute(_UNFENCED, (self._key,)).fetchall()
            else:
                began = self._postgres.execute(_FENCED, (*fence.terms(), self._key)).fetchall()
        except driver().errors.UndefinedTable:
            # It was moved since it was opened.
            self._rollback()
            check_version(self._postgres, self.name, self._home)
            raise
        if not began:
            check_version(self._postgres, self.name, self._home)
            raise self.lease_lost(fence) if fence else self._no_revision()
        (self._revision,) = began[0]

    def _open_transaction(self) -> None:
        """Begin, once again on a new connection where the server has ended this one."""
        try:
            self._live().execute(_BEGIN)
        except driver().OperationalError:
            if not self._postgres.closed:
                raise
            self._connect()
            self._postgres.execute(_BEGIN)

    def _no_revision(self) -> LedgerUnusable:
        return LedgerUnusable(
            f"The ledger {self.name} has no row in its table `revision`: restore a backup of the"
            " database.",
            code="ledger_damaged",
        )

    def _commit(self) -> None:
        psycopg = driver()
        try:
            self._postgres.execute("COMMIT")
        except psycopg.OperationalError as error:
            if not self._postgres.closed or not self._was_committed(error):
                raise
        self._is_writing = False
        self._stored = (self._revision, self._key)

    def _was_committed(self, error: Exception) -> bool:
        """Whether the transaction whose commit got no reply is in the ledger, by its key."""
        for wait_s in _RECONNECT_S:
            self._sleep(wait_s)
            with suppress(driver().Error, LedgerError):
                self._connect()
                # The lock is free once that transaction has ended, one way or the other.
                self._postgres.execute(_BEGIN)
                stored, key, newest = self._postgres.execute(
                    _COMMITTED, (self._revision % _KEPT,)
                ).fetchall()[0]
                self._postgres.execute("ROLLBACK")
                if stored == self._revision or newest < self._revision:
                    return bool(key == self._key)
                break
        raise LedgerUnusable(
            f"The connection to the ledger {self.name} ended during a commit, and the server does"
            " not say whether it was stored. Look before you repeat the command: it is stored whole"
            " or not at all.",
            code="commit_unknown",
        ) from error

    def _rollback(self) -> None:
        psycopg = driver()
        self._is_writing = False
        try:
            if (
                not self._postgres.closed
                and self._postgres.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
            ):
                self._postgres.execute("ROLLBACK")
        except psycopg.Error:
            # The server rolls back what its connection leaves open.
            self._postgres.close()

    def insert(self, sql: str, *parameters: str | float | bytes | None) -> int:
        """Run one INSERT inside a transaction, and return the id of the row."""
        (row,) = self._run(f"{sql} RETURNING id", parameters).fetchall()
        return int(row[0])

    def tuples(
        self, sql: str, *parameters: str | float | bytes | None
    ) -> "Iterator[tuple[Any, ...]]":
        """Each row as a tuple, read in parts as they were at the first."""
        with self._errors():
            yield from streamed(self._live(), sql, parameters)

    def executemany(self, sql: str, rows: "Iterable[Parameters]") -> None:
        """Run one statement for each row of parameters."""
        with self._errors():
            self._postgres.cursor().executemany(query(sql), rows)

    def _staging(self, name: str, columns: "Columns", key: str) -> "Staged":
        return StagedByCopy(self._live(), self.name, name, columns, key)

    def shrink(self) -> None:
        """Nothing: the server's autovacuum does it."""

    def checkpoint(self) -> None:
        """Nothing: the server does it."""

    def clock_offset(self) -> timedelta:
        """How far the clock of the server is ahead of the injected time, give or take the latency.

        Hosts whose clocks differ compare times of the ledger with their own.
        """
        before = self._now()
        there = self._database_now()
        return there - (before + (self._now() - before) / 2)

    def _database_now(self) -> datetime:
        (row,) = self.rows("SELECT clock_timestamp()")
        return row[0]

    def _database_seconds(self) -> float:
        (row,) = self.rows("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(row[0])
