"""Read-only access to a ledger in PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from state.db.postgres.connection import connect, driver
from state.db.postgres.errors import postgres_errors
from state.db.postgres.files import PostgresFiles
from state.db.postgres.schema import check_version
from state.db.postgres.staged import StagedByCopy
from state.db.postgres.statements import query
from state.db.postgres.streamed import streamed
from state.db.reader import Reader
from state.db.staged import POSITION
from state.files.folder import Folder
from state.model.ledger_url import public_name

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from psycopg import Connection, Cursor

    from state.db.postgres.rows import Row
    from state.db.staged import Columns, Parameters
    from state.files.file_store import FileStore

_CANCEL_S = 5.0


# The server may hang that is to cancel it.


_PARTS = """
SELECT 'index', indexname::text FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT 'view', viewname::text FROM pg_views WHERE schemaname = current_schema()
UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace"""


class PostgresReader(Reader):
    """A connection whose transactions only read, for the thread that opened it."""

    def __init__(self, url: str, path: Path, *, any_version: bool = False) -> None:
        """Open an existing ledger. Raises LedgerUnusable when there is none, as `Reader` does."""
        self._url = url
        self._cancel: Thread | None = None
        super().__init__(path, any_version=any_version)
        self.files: FileStore = PostgresFiles(self._live, self.name)

    @property
    def name(self) -> str:
        """What messages call the ledger."""
        return public_name(self._url)

    def _connect(self, *, any_version: bool) -> None:
        with self._errors():
            self._postgres = connect(self._url)
            try:
                self._postgres.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                if not any_version:
                    check_version(self._postgres, self.name, Folder(self.path.parent))
            except BaseException:
                self._postgres.close()
                raise

    def _another(self) -> "PostgresReader":
        return PostgresReader(self._url, self.path)

    def _errors(self) -> AbstractContextManager[None]:
        return postgres_errors(self.name, did="read")

    def close(self) -> None:
        """Close the connection."""
        self._postgres.close()

    def _run(self, sql: str, parameters: "Parameters") -> "Cursor[Row]":  # pyright: ignore[reportIncompatibleMethodOverride] - as in PostgresLedger
        return self._live().execute(query(sql), parameters)

    def parts(self) -> set[tuple[str, str]]:
        """The kind and the name of each trigger, index and view."""
        return {(row[0], row[1]) for row in self.rows(_PARTS)}

    def tuples(
        self, sql: str, *parameters: str | float | bytes | None
    ) -> "Iterator[tuple[Any, ...]]":
        """Each row as a tuple, read in parts as they were at the first."""
        with self._errors():
            yield from streamed(self._live(), sql, parameters)

    def staged(self, columns: "Columns", rows: "Iterable[Parameters]") -> str:
        """Create a temporary table as `Ledger.staged` does; returns its name."""
        with self._errors():
            self._postgres.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
            try:
                table = StagedByCopy(self._postgres, self.name, "staged_read", columns, POSITION)
                table.add_rows(rows)
            finally:
                self._postgres.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        return str(table)

    @contextmanager
    def read_transaction(self) -> "Generator[None]":
        """Read inside from one snapshot of the ledger. Keep the block short."""
        psycopg = driver()
        with self._errors():
            self._live().execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            if self._live().info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._postgres.execute("ROLLBACK")

    @contextmanager
    def select(
        self, sql: str, *, timeout_s: float, is_stopped: Callable[[], bool]
    ) -> "Generator[tuple[list[str], Iterator[tuple[Any, ...]]]]":
        """Run a SELECT of the user. See `state.db.public_query.select`."""
        from state.db.postgres import public_query  # noqa: PLC0415 - one command needs it

        with (
            self._errors(),
            public_query.select(
                self._postgres, sql, timeout_s=timeout_s, is_stopped=is_stopped
            ) as selected,
        ):
            yield selected

    def server_now(self) -> datetime | None:
        """By this clock the hosts write."""
        (row,) = self.rows("SELECT clock_timestamp()")
        return row[0]

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self.rows("SELECT value FROM revision")[0][0])

    def interrupt(self) -> None:
        """Cancel the running query, from another thread, without waiting for the server."""
        psycopg = driver()
        is_running = self._postgres.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE
        if is_running and self._cancel is None:
            # It needs a connection of its own.
            self._cancel = Thread(target=self._send_cancel, name="titan-cancel", daemon=True)
            self._cancel.start()

    def _send_cancel(self) -> None:
        with suppress(driver().Error):
            self._postgres.cancel_safe(timeout=_CANCEL_S)

    def _live(self) -> "Connection[Row]":
        """The connection, once a cancel is over that would cancel the next query."""
        if self._cancel is not None:
            self._cancel.join()
            self._cancel = None
        return self._postgres
