"""A ledger in PostgreSQL as the source and as the target of a copy."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from state.db import marks
from state.db.copies.sides import COPIED, CopiedEvent, FileName
from state.db.copies.tables import CopiedTable, Row, copied_tables
from state.db.marks import Mark, MarkState
from state.db.postgres import schema
from state.db.postgres.connection import BUSY_TIMEOUT_S, connect, driver
from state.db.postgres.errors import postgres_errors
from state.db.postgres.files import PostgresFiles
from state.model.errors import LedgerBusy, LedgerUnusable
from state.model.ledger_url import public_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from state.db.postgres.rows import Row as NamedRow
    from state.files.file_store import FileStore

# A copy that is suspended holds up the writers for no longer.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    f" SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '30min'; {schema.LOCK}"
).encode()
_FILES = """
SELECT f.folder, f.name, EXISTS (SELECT 1 FROM batches b
  WHERE f.name = b.key || '.jsonl' AND b.collection = 'pending') FROM stored_files f
WHERE f.state = 'kept' ORDER BY f.folder DESC, f.name"""
# What a process on any host does that has more to write. A poll decides about a killed one.
_AT_WORK = """
SELECT holder || ' polls, at most until ' || expires_ts FROM leases
  WHERE expires_at > extract(epoch FROM clock_timestamp())
UNION ALL SELECT coalesce(owner, 'a process') || ' sends the batch ' || key FROM batches
  WHERE status = 'sending'"""
# Held by a copy into this database as long as its connection lasts.
_COPY_LOCK = b"SELECT pg_try_advisory_lock(1414091855)"
_TYPES = {"INTEGER": "int8", "TEXT": "text", "BLOB": "bytea", "REAL": "float8"}
_AT_ONCE = 2_000
_REFERENCES = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"""
# Those that are no constraint.
_INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT EXISTS
  (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u'))"""
_TABLES_AND_VIEWS = """
SELECT relkind::text, quote_ident(relname) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"""

_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'titan_')"""


class _Side:
    """One connection, and the errors of its ledger."""

    root: Path | None = None

    def __init__(self, url: str, scratch: Path) -> None:
        """`scratch` is the folder of this host for temporary files.

        Raises LedgerUnusable, also where psycopg is not installed.
        """
        self.name = public_name(url)
        self.scratch = scratch
        with self._errors("read"):
            # A table is copied in one statement.
            self._connection: Connection[NamedRow] = connect(url, is_limited=False)
        self.files: FileStore = PostgresFiles(lambda: self._connection, self.name)

    def _errors(self, did: str = "written") -> "AbstractContextManager[None]":
        return postgres_errors(self.name, did=did)

    def _run(self, sql: str) -> None:
        self._connection.execute(sql.encode())

    def mark(self) -> Mark | None:
        """The mark that it has."""
        with self._errors("read"):
            return schema.mark_of(self._connection)

    def read(self, table: CopiedTable) -> Iterator[Row]:
        """Each row in the order of the key, in little memory."""
        from psycopg.rows import tuple_row  # noqa: PLC0415 - SQLite needs none of it

        with (
            self._errors("read"),
            self._connection.transaction(),
            self._connection.cursor("titan_copy", row_factory=tuple_row) as cursor,
        ):
            cursor.itersize = _AT_ONCE
            yield from cursor.execute(table.select.encode(), binary=True)

    def close(self) -> None:
        """Close the connection, which rolls back and releases its locks."""
        with suppress(driver().Error):
            self._connection.close()


class PostgresSource(_Side):
    """Holds the lock of all writers, in one transaction, until it is closed."""

    def check(self) -> None:
        """Refuse another version, and a server that only reads."""
        with self._errors():
            if schema.mark_of(self._connection) is None:
                schema.check_current(self._connection, self.name)

    def hold(self) -> None:
        """Keep other writers out."""
        with self._errors():
            schema.check_current(self._connection, self.name)
            self._connection.execute(_BEGIN)
            # Another host may have marked it while this one waited.
            schema.check_current(self._connection, self.name)
            busy = self._connection.execute(_AT_WORK.encode()).fetchall()
        if busy:
            raise LedgerBusy(
                f"The ledger {self.name} is in use: {busy[0][0]}. Copy again when that has ended.",
                code="ledger_in_use",
            )

    def count(self, table: CopiedTable) -> int:
        """How many rows the table has."""
        return self._number(f"SELECT count(*) FROM {table.name}")  # noqa: S608 - our own name

    def revision(self) -> int:
        """The number of transactions so far."""
        return self._number("SELECT value FROM revision")

    def _number(self, sql: str) -> int:
        with self._errors("read"):
            return int(self._connection.execute(sql.encode()).fetchall()[0][0])

    def is_from(self, copy: str) -> bool:
        """Whether that copy is one of those that it came from."""
        sql = "SELECT count(*) FROM events WHERE kind = %s AND subject = %s"
        with self._errors("read"):
            return bool(self._connection.execute(sql, (COPIED, copy)).fetchall()[0][0])

    def file_names(self) -> list[FileName]:
        """The files that it refers to."""
        with self._errors("read"):
            found = self._connection.execute(_FILES.encode()).fetchall()
        return [FileName(folder, name, is_partial) for folder, name, is_partial in found]

    def mark_moved(self, mark: Mark) -> None:
        """Mark it in the transaction in which it was read.

        Where the connection is lost at the commit, a repeated copy finds out whether it was stored.
        """
        with self._errors():
            self._connection.execute(marks.RENAME_REVISION.encode())
            schema.write_mark(self._connection, mark)
            self._run(schema.NOTIFY)
            self._connection.execute("COMMIT")


class PostgresTarget(_Side):
    """Fills the tables of an empty database, which is marked as incomplete meanwhile."""

    stores_nul = False

    def hold(self) -> None:
        """Keep other copies out."""
        with self._errors():
            schema.check_server(self._connection, self.name)
            ((is_free,),) = self._connection.execute(_COPY_LOCK).fetchall()
        if not is_free:
            raise LedgerBusy(
                f"Another copy into {self.name} is running. Wait until it has ended.",
                code="ledger_in_use",
            )

    def refuse_ledger(self, is_older: Callable[[Mark], bool]) -> None:
        """Refuse anything but an empty schema and an incomplete copy."""
        # Nothing is dropped that was a ledger.
        del is_older
        mark = self.mark()
        if mark is None:
            with self._errors("read"):
                if not schema.version_of(self._connection, self.name):
                    return
        elif mark.state != MarkState.MOVED:
            return
        moved = f", which was moved to {mark.other}" if mark else ""
        raise LedgerUnusable(
            f"There is a ledger at {self.name} already{moved}: copy into an empty database, or into"
            " an empty schema that is the first of the role's search_path.",
            code="ledger_exists",
        )

    def begin(self, mark: Mark) -> None:
        """Create empty tables without references and indexes, marked as incomplete."""
        with self._errors(), self._connection.transaction():
            self._connection.execute(schema.CREATION_LOCK)
            if schema.mark_of(self._connection) is not None:
                self._drop_all()
            # Another host may have made a ledger meanwhile.
            self.refuse_ledger(lambda _mark: False)
            schema.create_tables(self._connection)
            schema.write_mark(self._connection, mark)
            self._connection.execute("DELETE FROM revision")
        with self._errors():
            self._connection.execute("BEGIN")
            self._left_out = self._drop_references_and_indexes()

    def _drop_all(self) -> None:
        """What an incomplete copy has: tables and views of a ledger, in a schema that was empty."""
        found = self._connection.execute(_TABLES_AND_VIEWS.encode()).fetchall()
        for kind, word in (("v", "VIEW"), ("r", "TABLE")):
            if names := [name for its_kind, name in found if its_kind == kind]:
                self._run(f"DROP {word} {', '.join(names)} CASCADE")
        functions = self._connection.execute(_FUNCTIONS.encode()).fetchall()
        self._run(";".join(f"DROP FUNCTION {name}" for (name,) in functions))

    def _drop_references_and_indexes(self) -> list[str]:
        """Their definitions: rows are stored sooner without them, and refer to later ones."""
        references = self._connection.execute(_REFERENCES.encode()).fetchall()
        indexes = self._connection.execute(_INDEXES.encode()).fetchall()
        drops = [f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in references]
        self._run(";".join(drops + [f"DROP INDEX {name}" for name, _ in indexes]))
        return [definition for _, definition in indexes] + [
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
            for table, name, definition in references
        ]

    def fill(self, table: CopiedTable, rows: Iterator[Row]) -> None:
        """Write all rows of a table."""
        columns = ", ".join(table.columns)
        with (
            self._errors(),
            self._connection.cursor() as cursor,
            cursor.copy(
                f"COPY {table.name} ({columns}) FROM STDIN (FORMAT BINARY)".encode()
            ) as copy,
        ):
            copy.set_types([_TYPES[kind] for kind in table.types])
            for row in rows:
                copy.write_row(row)

    def complete(self) -> None:
        """Add indexes and references, which are checked, and commit."""
        tables = copied_tables()
        with self._errors():
            self._run(";".join(_next_id(table) for table in tables if table.has_id))
            self._run(";".join(self._left_out))
            self._run("COMMIT")
            self._run(f"ANALYZE {', '.join(table.name for table in tables)}")

    def store(self, local: Path, path: Path) -> None:
        """Store a file of this host under this path."""
        self.files.upload(local)
        with self._errors(), self._connection.transaction():
            self.files.keep(local, under=path)

    def write_mark(self, mark: Mark) -> None:
        """Replace the mark."""
        with self._errors(), self._connection.transaction():
            schema.write_mark(self._connection, mark)

    def open(self, event: CopiedEvent) -> None:
        """Remove the mark."""
        with self._errors(), self._connection.transaction():
            self._run("UPDATE revision SET value = value + 1")
            self._connection.execute(
                "INSERT INTO events (id, at, actor, kind, subject, detail)"
                " SELECT coalesce(max(id), 0) + 1, %s, %s, %s, %s, %s FROM events",
                (event.at, event.actor, COPIED, event.copy, event.detail),
            )
            schema.remove_mark(self._connection)


def _next_id(table: CopiedTable) -> str:
    """Lets the numbers of new rows follow those of the copied ones."""
    return (
        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), coalesce(max(id), 1),"  # noqa: S608 - our own name
        f" max(id) IS NOT NULL) FROM {table.name}"
    )
