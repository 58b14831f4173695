"""How a ledger comes to be, and how an older one becomes current."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from state.db.connection import connect, sqlite3
from state.db.tables import TABLES, TRIGGERS
from state.model.errors import LedgerTooNew, LedgerUnusable

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

APPLICATION_ID = 0x5449544E  # "TITN"
VERSION = 1
_MIGRATION_LOCK_TIMEOUT_S = 60.0


def open_current(path: Path) -> "sqlite3.Connection":
    """A connection to a ledger of this version; makes or migrates it first if need be.

    Raises LedgerTooNew for a later version's ledger, LedgerUnusable for a file that is none.
    """
    connection = connect(path)
    try:
        if _version(connection, path) != VERSION:
            _migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerUnusable(f"The ledger {path} cannot be used: {error}.") from error
    except LedgerUnusable:
        connection.close()
        raise
    return connection


def check_version(connection: "sqlite3.Connection", path: Path) -> None:
    """Refuse, for a reader, a ledger that is not of this version."""
    try:
        version = _version(connection, path)
    except sqlite3.DatabaseError as error:
        raise LedgerUnusable(f"The ledger {path} cannot be used: {error}.") from error
    if version != VERSION:
        raise LedgerUnusable(f"The ledger {path} is of an older version: run a poll first.")


def _version(connection: "sqlite3.Connection", path: Path) -> int:
    # One statement, one moment: another process may be making the tables right now.
    application_id, version, is_empty = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version),"
        " NOT EXISTS (SELECT 1 FROM sqlite_master)"
    ).fetchone()
    if application_id != APPLICATION_ID and not (application_id == 0 and is_empty):
        raise LedgerUnusable(f"{path} is a database of another program, not a ledger.")
    if version > VERSION:
        raise LedgerTooNew(
            f"The ledger {path} is of version {version}, this program knows {VERSION}: "
            "upgrade titan-console, or set TITAN_HOME to another folder."
        )
    return version


def _migrate(connection: "sqlite3.Connection", path: Path) -> None:
    # Starters at the same moment fail on each other's journal switch, hence the lock file.
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only a first start needs it

    try:
        with FileLock(
            path.with_suffix(".migrate.lock"), timeout=_MIGRATION_LOCK_TIMEOUT_S, mode=0o600
        ):
            before = _version(connection, path)
            if before == VERSION:
                return
            if before:
                back_up(connection, path.with_suffix(f".v{before}.bak"))
            # What is taken out later gives its pages back, a few at a time.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            _apply(connection)
    except (Timeout, OSError) as error:
        raise LedgerUnusable(f"Cannot prepare the ledger {path}: {error}.") from error


def _apply(connection: "sqlite3.Connection") -> None:
    from sqlite_utils import Database  # noqa: PLC0415 - costs 0.15 s, and only a migration needs it

    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrations().apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrations() -> "Migrations":
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 - as above

    migrations = Migrations("titan")
    for step in _STEPS:
        migrations()(step)
    return migrations


def m001_first_tables(db: "Database") -> None:
    """Everything that version 1 of the ledger holds."""
    for statement in _statements(TABLES + TRIGGERS):
        db.conn.execute(statement)


# In order; a step's name is its record in the ledger, so it never changes.
_STEPS: tuple[Callable[["Database"], None], ...] = (m001_first_tables,)


def _statements(script: str) -> list[str]:
    """One statement each: executescript would commit, and leave a half-made ledger behind."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


def back_up(connection: "sqlite3.Connection", target: Path) -> None:
    """Copy the whole ledger, as of now, to another file."""
    copy = connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
