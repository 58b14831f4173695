"""The storage implementations that the conformance suite in `tests/storage` runs on.

To check another one, write a class with the methods of `Storage` and add it to `STORAGES`: every
test then runs on it unchanged. Nothing else in the suite knows which database it is on. A database
that is not installed is left out of `STORAGES` or skipped, with the reason, by its constructor.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from support.ledgers.new_ledger import prepare_new_home
from support.ledgers.postgres_database import an_empty_ledger

from core.clock import ManualClock
from state.db.ledger import Ledger, random_id
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.db.reader import Reader
from state.files.file_store import LOCAL_FILES
from state.model.crash_points import no_crash_point

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
Value = str | int | bytes | None


class Storage(Protocol):
    """One new, empty ledger, and the few things that a test cannot do with a repository.

    `insert`, `update`, `delete` and `force` write one row by its table and columns, which all
    implementations share, so that a test can show what the database itself refuses.
    """

    #: Drives each connection; a database that expires leases by its own clock follows this one.
    clock: ManualClock

    def open(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
        new_id: Callable[[int], str] = random_id,
    ) -> Ledger:
        """Another connection that writes, as if in another process. Closed by `close`.

        Its rows name files that were never written, and it asks for none: see `open_with_files`.
        """
        ...

    def open_with_files(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> Ledger:
        """The same with the spool and results files. Closed by `close`."""
        ...

    def reader(self) -> Reader:
        """Another connection that only reads. Closed by `close`."""
        ...

    def insert(self, ledger: Ledger, table: str, /, **values: Value) -> None:
        """Add a row, in a transaction of its own. Raises what a repository would raise."""
        ...

    def update(
        self, ledger: Ledger, table: str, where: Mapping[str, Value], /, **values: Value
    ) -> None:
        """Change the rows that have these values, in a transaction of its own."""
        ...

    def delete(self, ledger: Ledger, table: str, where: Mapping[str, Value], /) -> None:
        """Remove the rows that have these values, in a transaction of its own."""
        ...

    def force(
        self, ledger: Ledger, table: str, where: Mapping[str, Value], /, **values: Value
    ) -> None:
        """Change rows although a transition is not allowed, to start a test from there."""
        ...

    def spread_ids(self, ledger: Ledger) -> None:
        """Give all rows but events ids with gaps, beyond 2**32; later rows follow them.

        For a ledger that has no priming and no command.
        """
        ...

    def close(self) -> None:
        """Close all connections, and remove the ledger."""
        ...


class SqlStorage:
    """What the databases do alike."""

    def insert(self, ledger: Ledger, table: str, /, **values: Value) -> None:
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - names of the test
        with ledger.transaction("test"):
            ledger.execute(sql, *values.values())

    def update(
        self, ledger: Ledger, table: str, where: Mapping[str, Value], /, **values: Value
    ) -> None:
        with ledger.transaction("test"):
            update_rows(ledger, table, where, values)

    def delete(self, ledger: Ledger, table: str, where: Mapping[str, Value], /) -> None:
        with ledger.transaction("test"):
            ledger.execute(f"DELETE FROM {table}{_where(where)}", *where.values())  # noqa: S608 - as above


class SqliteStorage(SqlStorage):
    """A ledger file in a folder of the test."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.clock = clock
        self._path = folder / "titan.db"
        prepare_new_home(self._path)
        self._opened = ExitStack()

    def open(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
        new_id: Callable[[int], str] = random_id,
    ) -> Ledger:
        made = Ledger(
            self._path,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            actor=actor,
            crash_point=crash_point,
            new_id=new_id,
        )
        return self._opened.enter_context(made)

    def open_with_files(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> Ledger:
        return self.open(actor, crash_point=crash_point)

    def reader(self) -> Reader:
        return self._opened.enter_context(Reader(self._path))

    def force(
        self, ledger: Ledger, table: str, where: Mapping[str, Value], /, **values: Value
    ) -> None:
        with ledger.transaction("test"):
            _without_triggers(ledger, lambda: update_rows(ledger, table, where, values))

    def spread_ids(self, ledger: Ledger) -> None:
        with ledger.transaction("test"):
            ledger.execute("PRAGMA defer_foreign_keys=ON")
            _without_triggers(ledger, lambda: _spread(ledger))

    def close(self) -> None:
        self._opened.close()


def _where(where: Mapping[str, Value]) -> str:
    return f" WHERE {' AND '.join(f'{name} = ?' for name in where)}" if where else ""


def update_rows(
    ledger: Ledger, table: str, where: Mapping[str, Value], values: Mapping[str, Value]
) -> None:
    changes = ", ".join(f"{name} = ?" for name in values)
    sql = f"UPDATE {table} SET {changes}{_where(where)}"  # noqa: S608 - names of the test
    assert ledger.execute(sql, *values.values(), *where.values())


def _without_triggers(ledger: Ledger, write: Callable[[], None]) -> None:
    kept = [
        tuple(row)
        for row in ledger.rows("SELECT name, sql FROM sqlite_master WHERE type='trigger'")
    ]
    for name, _ in kept:
        ledger.execute(f"DROP TRIGGER {name}")
    write()
    for _, sql in kept:
        ledger.execute(sql)


SPREAD = ("submissions", "requests", "batches", "alerts", "polls")


def _spread(ledger: Ledger) -> None:
    tables = [row[0] for row in ledger.rows("SELECT name FROM sqlite_master WHERE type='table'")]
    columns = [(table, "id") for table in SPREAD] + [
        (table, row["from"])
        for table in tables
        for row in ledger.rows(f"PRAGMA foreign_key_list({table})")
        if row["table"] in SPREAD
    ]
    for table, column in columns:
        ledger.execute(spread(table, column))


def spread(table: str, column: str) -> str:
    return f"UPDATE {table} SET {column} = {column} * 7 + 10000000000"  # noqa: S608 - our own names


class PostgresStorage(SqlStorage):
    """A database of the server of this process, which each test finds empty."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.clock = clock
        self._path = folder / "titan.db"
        self._database = an_empty_ledger()
        self._opened = ExitStack()

    def open(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
        new_id: Callable[[int], str] = random_id,
    ) -> Ledger:
        made = self._open(actor, crash_point, new_id)
        made.files = LOCAL_FILES
        return made

    def open_with_files(
        self,
        actor: str = "test",
        *,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> Ledger:
        return self._open(actor, crash_point, random_id)

    def _open(
        self, actor: str, crash_point: Callable[[str], None], new_id: Callable[[int], str]
    ) -> Ledger:
        made = PostgresLedger(
            self._database.url,
            self._path,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            actor=actor,
            crash_point=crash_point,
            new_id=new_id,
        )
        return self._opened.enter_context(made)

    def reader(self) -> Reader:
        return self._opened.enter_context(PostgresReader(self._database.url, self._path))

    def force(
        self, ledger: Ledger, table: str, where: Mapping[str, Value], /, **values: Value
    ) -> None:
        with ledger.transaction("test"):
            ledger.execute("SET LOCAL session_replication_role = replica")
            update_rows(ledger, table, where, values)

    def spread_ids(self, ledger: Ledger) -> None:
        with ledger.transaction("test"):
            ledger.execute("SET LOCAL session_replication_role = replica")
            columns = [(table, "id") for table in SPREAD] + [
                (table, column)
                for table, column, other in self._database.references
                if other in SPREAD
            ]
            for table, column in columns:
                ledger.execute(spread(table, column))
            for table in SPREAD:
                ledger.rows(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"  # noqa: S608 - our own names
                    f" coalesce(max(id), 1)) FROM {table}"
                )

    def close(self) -> None:
        self._opened.close()
        self._database.clear()


# Name -> what makes a new, empty ledger from a folder of the test and a clock.
STORAGES: Mapping[str, Callable[[Path, ManualClock], Storage]] = {
    "sqlite": SqliteStorage,
    "postgres": PostgresStorage,
}
