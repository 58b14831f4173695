"""Creates a ledger, and migrates an older one to the newest version."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from state.db import tables_v1
from state.db.connection import DATABASE_ERRORS, connect, sqlite3
from state.db.statements import split
from state.db.tables import TABLES, TRIGGERS
from state.model.errors import LedgerTooNew, LedgerUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

APPLICATION_ID = 0x5449544E  # "TITN"
VERSION = 2
_MIGRATION_LOCK_TIMEOUT_S = 60.0


def open_current(path: Path) -> "sqlite3.Connection":
    """A connection to a ledger of this version; creates or migrates it first if needed.

    Raises LedgerTooNew for a later version's ledger, LedgerUnusable for any other file.
    """
    connection = connect(path)
    try:
        if _version(connection, path) != VERSION:
            _migrate(connection, path)
    except DATABASE_ERRORS as error:
        connection.close()
        raise LedgerUnusable(f"The ledger {path} cannot be used: {error}.") from error
    except LedgerUnusable:
        connection.close()
        raise
    return connection


def check_version(connection: "sqlite3.Connection", path: Path) -> None:
    """Raise LedgerUnusable, for a reader, where the ledger is not of this version."""
    try:
        version = _version(connection, path)
    except DATABASE_ERRORS as error:
        raise LedgerUnusable(f"The ledger {path} cannot be used: {error}.") from error
    if version != VERSION:
        raise LedgerUnusable(
            f"The ledger {path} has the older version {version}: run `titan-console poll` to"
            " migrate it.",
            code="ledger_too_old",
        )


def _version(connection: "sqlite3.Connection", path: Path) -> int:
    """0 for an empty file. One statement: another process may be creating the tables right now."""
    application_id, version, is_empty = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version),"
        " NOT EXISTS (SELECT 1 FROM sqlite_master)"
    ).fetchone()
    if application_id != APPLICATION_ID and not (application_id == 0 and is_empty):
        raise LedgerUnusable(f"{path} is a database of another program, not a ledger.")
    if version > VERSION:
        raise LedgerTooNew(
            f"The ledger {path} has version {version}, this program knows {VERSION}: "
            "upgrade titan-console, or set TITAN_HOME to another folder."
        )
    return version


def _migrate(connection: "sqlite3.Connection", path: Path) -> None:
    # Processes that start at once fail on each other's journal switch, hence the lock file.
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only a first start needs it

    try:
        with FileLock(
            path.with_suffix(".migrate.lock"), timeout=_MIGRATION_LOCK_TIMEOUT_S, mode=0o600
        ):
            before = _version(connection, path)
            if before == VERSION:
                return
            if before:
                _check_shape(connection, path)
                back_up(connection, path.with_suffix(f".v{before}.bak"))
            # Pages that are freed later go back to the disk a few at a time.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            _apply(connection, is_new=not before)
    except (Timeout, OSError) as error:
        raise LedgerUnusable(f"Cannot prepare the ledger {path}: {error}.") from error


def _check_shape(connection: "sqlite3.Connection", path: Path) -> None:
    """Refuse a development ledger, which says version 1 and has other tables."""
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(tables_v1.TABLES)
        if _shape(connection) == _shape(expected):
            return
    raise LedgerUnusable(
        f"The ledger {path} was written by a development version before 1.0 and cannot be"
        " migrated: set TITAN_HOME to another folder.",
        code="ledger_unknown_schema",
    )


def _shape(connection: "sqlite3.Connection") -> set[tuple[str, str]]:
    """Each column with its table."""
    return {
        (row[0], row[1])
        for row in connection.execute(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c"
            " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'"
            " AND t.name <> '_sqlite_migrations'"
        )
    }


def _apply(connection: "sqlite3.Connection", *, is_new: bool) -> None:
    from sqlite_utils import Database  # noqa: PLC0415 - costs 0.15 s, and only a migration needs it

    # A step makes tables anew that refer to each other; checked as a whole before the commit.
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrations(is_new=is_new).apply(Database(connection, execute_plugins=False))
        _check_references(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: "sqlite3.Connection") -> None:
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        raise sqlite3.IntegrityError("rows refer to rows that do not exist")


def _migrations(*, is_new: bool) -> "Migrations":
    """The steps in order; their names are recorded in the ledger, so they never change.

    A new ledger gets the newest tables at once, and the same record.
    """
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 - as above

    from state.db.migrate_v2 import rename_to_standard_terms  # noqa: PLC0415 - as above

    steps: dict[str, Callable[[Database], None]] = {
        "m001_first_tables": lambda db: run_script(db, tables_v1.TABLES + tables_v1.TRIGGERS),
        "m002_standard_terms": rename_to_standard_terms,
    }
    if is_new:
        steps = dict.fromkeys(steps, lambda _db: None)
        steps["m001_first_tables"] = lambda db: run_script(db, TABLES + TRIGGERS)
    migrations = Migrations("titan")
    for name, step in steps.items():
        migrations(name=name)(step)
    return migrations


def run_script(db: "Database", script: str) -> None:
    """Run each statement of the script in the open transaction."""
    for statement in split(script):
        db.conn.execute(statement)


def back_up(connection: "sqlite3.Connection", target: Path) -> None:
    """Copy the whole ledger, as of now, to another file."""
    copy = connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
