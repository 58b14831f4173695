"""A temporary table of PostgreSQL for the rows of one operation, filled by COPY."""

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from state.db.postgres.connection import driver
from state.db.postgres.errors import postgres_errors
from state.db.staged import POSITION, Columns, Staged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

    from state.db.postgres.rows import Row
    from state.db.staged import Parameters

_BLOCK = 2000
_TYPES = {str: 'text COLLATE "C"', int: "bigint", bytes: "bytea"}


class StagedByCopy(Staged):
    """A temporary table of the session."""

    def __init__(
        self, connection: "Connection[Row]", ledger: str, name: str, columns: Columns, key: str
    ) -> None:
        """Create the empty table; `columns` and `key` are those of `Ledger.staged`."""
        self._connection = connection
        self._ledger = ledger
        self._name = name
        self._columns = columns
        self._key = key
        # Where a row has its key; None where the rows are numbered.
        self._at = list(columns).index(key) if key in columns else None
        self._count = 0
        kinds = [f"{column} {_TYPES[kind]}" for column, kind in columns.items()]
        position = [] if key in columns else [f"{POSITION} bigint"]
        with postgres_errors(ledger):
            connection.execute(
                f"CREATE TEMP TABLE {name} ({', '.join([*position, *kinds])},"
                f" PRIMARY KEY ({key}))".encode()
            )

    def drop(self) -> None:
        """Delete the table and its rows."""
        with suppress(driver().Error):
            self._connection.execute(f"DROP TABLE pg_temp.{self._name}".encode())

    def add_rows(self, rows: "Iterable[Parameters]") -> None:
        """Add the rows, all of them or, if one fails, none.

        They are copied block by block, so that whatever makes them can use the ledger.
        """
        before, keys = self._count, list[object]()
        try:
            for block in _blocks(rows):
                keys += [row[self._at] for row in block] if before and self._at is not None else []
                self._copy(block)
        except BaseException:
            self._remove_from(before, keys)
            raise
        # Nothing else collects statistics of a temporary table.
        with postgres_errors(self._ledger):
            self._connection.execute(f"ANALYZE pg_temp.{self._name}".encode())

    def _copy(self, block: "list[Parameters]") -> None:
        columns = list(self._columns) if self._at is not None else [POSITION, *self._columns]
        statement = f"COPY pg_temp.{self._name} ({', '.join(columns)}) FROM STDIN".encode()
        with postgres_errors(self._ledger), self._connection.cursor().copy(statement) as copy:
            for row in block:
                self._count += 1
                copy.write_row(row if self._at is not None else (self._count, *row))

    def _remove_from(self, before: int, keys: list[object]) -> None:
        """Delete the rows of a call that failed, unless the connection has ended, too."""
        table, values = f"pg_temp.{self._name}", ()
        if not before:
            statement = f"TRUNCATE {table}"
        elif self._at is None:
            statement, values = f"DELETE FROM {table} WHERE {POSITION} > %s", (before,)  # noqa: S608 - our own table
        else:
            statement, values = f"DELETE FROM {table} WHERE {self._key} = ANY(%s)", (keys,)  # noqa: S608 - as above
        with suppress(driver().Error):
            self._connection.execute(statement.encode(), values)
        self._count = before


def _blocks(rows: "Iterable[Parameters]") -> "Iterator[list[Parameters]]":
    left = iter(rows)
    while block := list(islice(left, _BLOCK)):
        yield block
