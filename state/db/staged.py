"""A table for the rows of one operation, on disk, so that a million of them take no memory."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from state.db.connection import sqlite3
from state.db.sqlite_errors import ledger_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    Parameters = tuple[str | int | float | bytes | None, ...]

# The columns of a staged table and the type of their values, each of which may also be None.
Columns = Mapping[str, type[str] | type[int] | type[bytes]]

# The column that numbers the rows of a staged table.
POSITION = "position"
_TYPES = {str: "TEXT", int: "INTEGER", bytes: "BLOB"}
_SETTINGS = ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-4096")


class Staged(ABC):
    """A temporary table; `str()` is its name in a statement."""

    _name: str

    def __str__(self) -> str:
        """The name of the table."""
        return self._name

    @abstractmethod
    def add_rows(self, rows: "Iterable[Parameters]") -> None:
        """Add the rows, all of them or, if one fails, none."""

    @abstractmethod
    def drop(self) -> None:
        """Delete the table and its rows."""


class StagedInFile(Staged):
    """A temporary table of SQLite, in a file of its own."""

    def __init__(
        self,
        connection: "sqlite3.Connection",
        ledger: Path,
        name: str,
        columns: Columns,
        key: str,
    ) -> None:
        """Create the empty table; `columns` and `key` are those of `Ledger.staged`."""
        self._connection = connection
        self._ledger = ledger
        self._name = name
        self._insert = insert_statement(name, columns)
        self._file: Path | None = None
        self._schema = "temp"
        with ledger_errors(ledger):
            if _keeps_temporary_tables_in_memory():
                # Without a file, memory is better than nothing.
                with suppress(OSError):
                    self._attach()
            connection.execute(create_statement(f"{self._schema}.{name}", columns, key))

    def _attach(self) -> None:
        """Make a database for the table in a file beside the ledger, which is deleted at once."""
        number, name = mkstemp(prefix=f"{self._ledger.name}-{self._name}-", dir=self._ledger.parent)
        os.close(number)
        self._file, schema = Path(name), f"in_{self._name}"
        try:
            self._connection.execute(f"ATTACH ? AS {schema}", (name,))
            self._schema = schema
            for setting in _SETTINGS:
                self._connection.execute(f"PRAGMA {schema}.{setting}")
            # Opens the file, so that it needs no name any more.
            self._connection.execute(f"SELECT 1 FROM {schema}.sqlite_master").fetchone()  # noqa: S608 - our own name
        finally:
            self._delete_file()

    def _delete_file(self) -> None:
        """Delete it; where an open file cannot be deleted, the end of the staging does."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def drop(self) -> None:
        """Delete the table and its rows."""
        with suppress(sqlite3.Error):
            self._connection.execute(f"DROP TABLE {self._schema}.{self._name}")
        if self._schema != "temp":
            with suppress(sqlite3.Error):
                self._connection.execute(f"DETACH {self._schema}")
            self._delete_file()

    def add_rows(self, rows: "Iterable[Parameters]") -> None:
        """Add the rows, all of them or, if one fails, none."""
        connection = self._connection
        with ledger_errors(self._ledger):
            connection.execute("BEGIN")
            try:
                connection.executemany(self._insert, rows)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def create_statement(table: str, columns: Columns, key: str) -> str:
    """The statement that makes a staged table; a key that is no column of it numbers the rows."""
    others = [f"{name} {_TYPES[kind]}" for name, kind in columns.items() if name != key]
    return f"CREATE TABLE {table} ({', '.join([f'{key} INTEGER PRIMARY KEY', *others])})"


def insert_statement(table: str, columns: Columns) -> str:
    """The statement that adds a row to a staged table."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names


@cache
def _keeps_temporary_tables_in_memory() -> bool:
    """Whether this SQLite ignores `temp_store=FILE`, as the wheel of pysqlite3 does."""
    with sqlite3.connect(":memory:") as connection:
        found = connection.execute(
            "SELECT 1 FROM pragma_compile_options WHERE compile_options = 'TEMP_STORE=3'"
        ).fetchone()
    connection.close()
    return found is not None
