"""A ledger in SQLite as the source and as the target of a copy."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from state.db import access_lock, marks, schema
from state.db.connection import connect, connect_read_only, locked, prepare_folder, sqlite3
from state.db.copies.sides import COPIED, CopiedEvent, FileName
from state.db.copies.tables import CopiedTable, Row
from state.db.marks import Mark, MarkState
from state.db.sqlite_errors import ledger_errors
from state.files.file_store import LOCAL_FILES, FileStore
from state.files.folder import Folder, replace, sync_folder
from state.files.lost_ledger import ledger_exists, require_ledger
from state.files.results_file import file_name
from state.model.errors import LedgerUnusable

_SPOOL = """
SELECT r.spool_file FROM requests r JOIN submissions s ON s.id = r.submission_id
  WHERE s.pruned_ts IS NULL
UNION SELECT e.spool_file FROM edits e JOIN requests r ON r.id = e.request_id
  JOIN submissions s ON s.id = r.submission_id WHERE s.pruned_ts IS NULL ORDER BY 1"""
_RESULTS = """
SELECT b.key, b.collection <> 'collected' FROM batches b
  LEFT JOIN submissions s ON s.id = b.submission_id
WHERE b.results_bytes > 0 AND s.pruned_ts IS NULL ORDER BY b.id"""
# In KiB; the rows come in the order of their keys.
_CACHE = 32_768
_SIDES = ("-wal", "-shm", "-journal")


class SqliteSource:
    """Holds the lock of all writers, and a write transaction, until it is closed."""

    def __init__(self, path: Path) -> None:
        """Raises LedgerUnusable where there is no ledger."""
        self.name = str(path)
        self.root: Path | None = path.parent
        self.scratch = path.parent
        self.files: FileStore = LOCAL_FILES
        self._path = path
        self._opened = ExitStack()
        require_ledger(path)

    def mark(self) -> Mark | None:
        """The mark that it has."""
        with ledger_errors(self._path), closing(connect_read_only(self._path)) as connection:
            return schema.mark_of(connection)

    def check(self) -> None:
        """Refuse another version."""
        with ledger_errors(self._path), closing(connect_read_only(self._path)) as connection:
            if schema.mark_of(connection) is None:
                schema.check_version(connection, self._path)

    def hold(self) -> None:
        """Keep other writers out."""
        self._opened.enter_context(access_lock.exclusive(self._path))
        self._connection = self._opened.enter_context(closing(connect(self._path)))
        schema.check_version(self._connection, self._path)
        with ledger_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")

    def count(self, table: CopiedTable) -> int:
        """How many rows the table has."""
        return self._number(f"SELECT count(*) FROM {table.name}")  # noqa: S608 - our own name

    def revision(self) -> int:
        """The number of transactions so far."""
        return self._number("SELECT value FROM revision")

    def _number(self, sql: str) -> int:
        with ledger_errors(self._path, did="read"):
            return int(self._connection.execute(sql).fetchone()[0])

    def read(self, table: CopiedTable) -> Iterator[Row]:
        """Each row in the order of the key."""
        return _rows(self._connection, self._path, table)

    def is_from(self, copy: str) -> bool:
        """Whether that copy is one of those that it came from."""
        sql = "SELECT count(*) FROM events WHERE kind = ? AND subject = ?"
        with ledger_errors(self._path, did="read"):
            return bool(self._connection.execute(sql, (COPIED, copy)).fetchone()[0])

    def file_names(self) -> list[FileName]:
        """The files that it refers to, those of pruned submissions left out."""
        folder = Folder(self._path.parent)
        with ledger_errors(self._path, did="read"):
            spools = self._connection.execute(_SPOOL).fetchall()
            results = self._connection.execute(_RESULTS).fetchall()
        return [FileName(folder.spool.name, name) for (name,) in spools] + [
            FileName(folder.results.name, file_name(key), bool(is_partial))
            for key, is_partial in results
        ]

    def mark_moved(self, mark: Mark) -> None:
        """Mark it in the transaction in which it was read."""
        with ledger_errors(self._path):
            self._connection.execute(marks.RENAME_REVISION)
            _write_mark(self._connection, mark)
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Roll back what was not marked, and release the locks."""
        self._opened.close()


class SqliteTarget:
    """Fills a new file beside `titan.db`, which is a marked ledger without tables meanwhile."""

    stores_nul = True

    def __init__(self, path: Path) -> None:
        """Nothing is written yet."""
        self.name = str(path)
        self.root: Path | None = path.parent
        self.files: FileStore = LOCAL_FILES
        self._path = path
        self._filled = path.with_name("titan.copying.db")
        self._opened = ExitStack()
        self._is_held = False
        self._connection: sqlite3.Connection | None = None

    def hold(self) -> None:
        """Keep other copies and commands out."""
        prepare_folder(self._path)
        self._opened.enter_context(access_lock.exclusive(self._path))
        self._is_held = True

    def mark(self) -> Mark | None:
        """The mark of what is there."""
        if not ledger_exists(self._path):
            return None
        with ledger_errors(self._path), closing(connect_read_only(self._path)) as connection:
            return schema.mark_of(connection)

    def refuse_ledger(self, is_older: Callable[[Mark], bool]) -> None:
        """Refuse a ledger, and files beside a missing one."""
        if not ledger_exists(self._path):
            return
        mark = self.mark()
        if mark is None or (mark.state == MarkState.MOVED and not is_older(mark)):
            moved = f", which was moved to {mark.other}" if mark else ""
            raise LedgerUnusable(
                f"There is a ledger at {self.name} already{moved}: copy into an empty folder, which"
                " becomes the TITAN_HOME of the copy.",
                code="ledger_exists",
            )

    def _keep_moved(self) -> None:
        """Keep the ledger that was moved from here, under another name."""
        mark = self.mark()
        if mark is not None and mark.state == MarkState.MOVED:
            stamp = "".join(filter(str.isalnum, mark.at.partition(".")[0]))
            with closing(connect(self._path)) as connection:
                schema.back_up(connection, self._path.with_name(f"titan.{stamp}.moved"))

    def begin(self, mark: Mark) -> None:
        """Put a marked ledger in place, and the tables into the new file."""
        self._remove_filled()
        self._keep_moved()
        self._end_journal()
        with closing(self._create()) as connection, ledger_errors(self._path):
            connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
            connection.execute("BEGIN")
            _write_mark(connection, mark)
            connection.execute("COMMIT")
        self._install()
        with ledger_errors(self._filled):
            self._connection = self._opened.enter_context(closing(self._create()))
            schema.create(self._connection)
            self._connection.execute("PRAGMA foreign_keys=OFF")
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM revision")
            _write_mark(self._connection, mark)

    def fill(self, table: CopiedTable, rows: Iterator[Row]) -> None:
        """Write all rows of a table."""
        values = ", ".join("?" * len(table.columns))
        with ledger_errors(self._filled):
            self._open_file().executemany(
                f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({values})",  # noqa: S608 - our own names
                rows,
            )

    def complete(self) -> None:
        """Put the new file in the place of the marked ledger."""
        connection = self._open_file()
        with ledger_errors(self._filled):
            if connection.execute("PRAGMA foreign_key_check").fetchone():
                raise LedgerUnusable(
                    "The ledger to copy has rows that refer to missing rows: `titan-console doctor"
                    " --check` on it lists them."
                )
            connection.execute("COMMIT")
            connection.close()
        self._install()
        self._connection = self._opened.enter_context(closing(connect(self._path)))

    def read(self, table: CopiedTable) -> Iterator[Row]:
        """Each row as it is stored."""
        return _rows(self._open_file(), self._path, table)

    def store(self, local: Path, path: Path) -> None:
        """Nothing: it is on the disk."""

    def write_mark(self, mark: Mark) -> None:
        """Replace the mark."""
        connection = self._open_file()
        with ledger_errors(self._path):
            connection.execute("BEGIN IMMEDIATE")
            _write_mark(connection, mark)
            connection.execute("COMMIT")

    def open(self, event: CopiedEvent) -> None:
        """Remove the mark, in one transaction."""
        connection = self._open_file()
        with ledger_errors(self._path):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE revision SET value = value + 1")
            connection.execute(
                "INSERT INTO events (at, actor, kind, subject, detail) VALUES (?, ?, ?, ?, ?)",
                (event.at, event.actor, COPIED, event.copy, event.detail),
            )
            connection.execute("DROP TABLE ledger_copy")
            connection.execute(f"PRAGMA user_version={schema.VERSION}")
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file and release the lock; an incomplete copy stays marked."""
        if self._is_held:
            # That of another copy is left alone.
            with suppress(OSError):
                self._remove_filled()
        self._is_held = False
        self._opened.close()

    def _open_file(self) -> "sqlite3.Connection":
        """The new file, or the complete copy of an earlier run."""
        if self._connection is None:
            self._connection = self._opened.enter_context(closing(connect(self._path)))
        return self._connection

    def _create(self) -> "sqlite3.Connection":
        connection = connect(self._filled)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _end_journal(self) -> None:
        """Let a marked ledger be whole without the files beside it. Raises LedgerBusy."""
        if not ledger_exists(self._path):
            return
        with ledger_errors(self._path), closing(connect(self._path)) as connection:
            (journal,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        if journal != "delete":
            raise locked(self._path)

    def _install(self) -> None:
        """Put the new file in place, durably. No program writes the one that is there."""
        descriptor = os.open(self._filled, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for side in _SIDES:
            self._path.with_name(f"{self._path.name}{side}").unlink(missing_ok=True)
        replace(self._filled, self._path)
        sync_folder(self._path.parent)

    def _remove_filled(self) -> None:
        for side in ("", *_SIDES):
            self._filled.with_name(f"{self._filled.name}{side}").unlink(missing_ok=True)


def _rows(connection: "sqlite3.Connection", path: Path, table: CopiedTable) -> Iterator[Row]:
    with ledger_errors(path, did="read"):
        cursor = connection.cursor()
        cursor.row_factory = None
        yield from cursor.execute(table.select)


def _write_mark(connection: "sqlite3.Connection", mark: Mark) -> None:
    """Inside a transaction."""
    connection.execute("DROP TABLE IF EXISTS ledger_copy")
    connection.execute(marks.CREATE)
    connection.execute(
        "INSERT INTO ledger_copy VALUES (1, ?, ?, ?, ?, ?)",
        (mark.state, mark.copy, mark.other, mark.at, mark.who),
    )
    connection.execute(f"PRAGMA user_version={marks.MARKED}")
