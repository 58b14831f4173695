"""Read-only access to the ledger, for screens and reports."""

from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from state.db.connection import connect_read_only, sqlite3
from state.db.dialect import array_of
from state.db.schema import check_version
from state.db.sqlite_errors import ledger_errors
from state.db.staged import POSITION, Columns, create_statement, insert_statement
from state.files.file_store import LOCAL_FILES, FileStore
from state.files.lost_ledger import require_ledger
from state.model.errors import LedgerError
from state.model.id_list import IdList

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from state.db.staged import Parameters

    Row = sqlite3.Row


class Source(Protocol):
    """Runs queries on the ledger: a Reader, or the Ledger itself."""

    path: Path

    @property
    def files(self) -> FileStore:
        """Has the spool and results files of other hosts."""
        ...

    def rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """Every row of a query."""
        ...

    def fresh_rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """Every row of a query as of now, also inside a `read_transaction`."""
        ...

    def tuples(
        self, sql: str, *parameters: str | float | bytes | None
    ) -> "Iterator[tuple[Any, ...]]":
        """Each row as a plain tuple. Read all rows at once: an open cursor pins the WAL."""
        ...


def listed(source: Source, sql: str, *parameters: str | float | bytes | None) -> IdList:
    """The ids that a query of one column returns, in its order, which is ascending."""
    (row,) = source.rows(
        f"WITH listed(id) AS MATERIALIZED ({sql})"  # noqa: S608 - our own words
        f" SELECT {array_of('id')}, count(*) FROM listed",
        *parameters,
    )
    return IdList(row[0], row[1])


# The triggers, indexes and views.
PARTS = "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'table'"


class Reader:
    """A read-only connection, for the thread that opened it. Keep it open while it is needed.

    Opening and closing one touches the files, which the watcher of a console reports as a change.
    """

    def __init__(self, path: Path, *, any_version: bool = False) -> None:
        """Open an existing ledger. Raises LedgerUnusable when there is none.

        Raises it, too, for one of another version, except with `any_version`: for a query that
        each of them answers.
        """
        self.path = path
        #: Has the spool and results files of other hosts.
        self.files: FileStore = LOCAL_FILES
        self._connect(any_version=any_version)

    @property
    def name(self) -> str:
        """What messages call the ledger."""
        return str(self.path)

    def _connect(self, *, any_version: bool) -> None:
        require_ledger(self.path)
        with self._errors():
            self.connection = connect_read_only(self.path)
        try:
            if not any_version:
                check_version(self.connection, self.path)
        except LedgerError:
            self.connection.close()
            raise

    def _errors(self) -> AbstractContextManager[None]:
        """Raises the ledger's error for what the database raises inside."""
        return ledger_errors(self.path, did="read")

    def parts(self) -> set[tuple[str, str]]:
        """The kind and the name of each trigger, index and view."""
        return {(row[0], row[1]) for row in self.rows(PARTS)}

    def _run(self, sql: str, parameters: "Parameters") -> "sqlite3.Cursor":
        return self.connection.execute(sql, parameters)

    def __enter__(self) -> Self:
        """Use as `with Reader(...) as reader`."""
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
        """Close the file."""
        self.connection.close()

    def rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """Every row of a query; no read transaction stays open afterwards."""
        with self._errors():
            return self._run(sql, parameters).fetchall()

    def fresh_rows(self, sql: str, *parameters: str | float | bytes | None) -> "list[Row]":
        """Every row of a query as of now, also inside a `read_transaction`."""
        with self._another() as other:
            return other.rows(sql, *parameters)

    def _another(self) -> "Reader":
        return Reader(self.path)

    def tuples(
        self, sql: str, *parameters: str | float | bytes | None
    ) -> "Iterator[tuple[Any, ...]]":
        """Each row as a plain tuple. Read all rows at once: an open cursor pins the WAL."""
        with self._errors():
            cursor = self.connection.cursor()
            cursor.row_factory = None
            yield from cursor.execute(sql, parameters)

    def staged(self, columns: Columns, rows: "Iterable[Parameters]") -> str:
        """Create a temporary table as `Ledger.staged` does, in memory; returns its name."""
        self.rows("PRAGMA temp_store=MEMORY")
        self.rows(create_statement("temp.staged_read", columns, POSITION))
        with self._errors():
            self.connection.executemany(insert_statement("staged_read", columns), rows)
        return "staged_read"

    @contextmanager
    def read_transaction(self) -> "Generator[None]":
        """Read inside from one snapshot of the ledger. Keep the block short: it pins the WAL."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.rows("ROLLBACK")

    def server_now(self) -> datetime | None:
        """The time of the server of the ledger; None for a file, which has this machine's."""
        return None

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def interrupt(self) -> None:
        """Cancel the running query, from another thread."""
        self.connection.interrupt()
