"""Creates a ledger, and migrates an older one to the newest version."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from state.db import access_lock, marks, tables_v1, tables_v2, totals_sql
from state.db.connection import connect, prepare_folder, sqlite3
from state.db.marks import Mark
from state.db.sqlite_errors import ledger_errors, reason
from state.db.statements import run_script
from state.db.tables import (
    FENCES,
    HOSTS,
    LANES,
    OUTPUT,
    PEAKS,
    SILENCES,
    TABLES,
    TOTALS,
    TRIGGERS,
)
from state.db.views import REPLACE_VIEWS
from state.files.folder import replace
from state.files.lost_ledger import ledger_exists, missing, refuse_without_tables
from state.model.errors import LedgerTooNew, LedgerUnusable

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

APPLICATION_ID = 0x5449544E  # "TITN"
VERSION = 11
# The tables of the earlier versions; version 4 added only views.
_PUBLISHED = {
    1: tables_v1.TABLES,
    2: tables_v2.TABLES,
    3: TABLES,
    4: TABLES,
    5: TABLES + TOTALS,
    6: TABLES + TOTALS + OUTPUT,
    7: TABLES + TOTALS + OUTPUT + PEAKS,
    8: TABLES + TOTALS + OUTPUT + PEAKS + SILENCES,
    9: TABLES + TOTALS + OUTPUT + PEAKS + SILENCES + LANES,
    10: TABLES + TOTALS + OUTPUT + PEAKS + SILENCES + LANES + FENCES,
}
# What each version adds that PostgreSQL's ledgers have, too; their first one was 9.
STEPS = {10: FENCES, 11: HOSTS}
# What creates a new ledger.
NEWEST = _PUBLISHED[10] + HOSTS + TRIGGERS + REPLACE_VIEWS
# Pages that are freed later go back to the disk a few at a time.
_GIVE_BACK = "PRAGMA auto_vacuum=INCREMENTAL"
# What else a user can do about a file that is no ledger of this program.
_ANOTHER_FOLDER = "set TITAN_HOME to another folder"
_ANOTHER_BACKUP = "choose another of `titan-console restore`"


def open_current(path: Path) -> "tuple[sqlite3.Connection, access_lock.HeldLock]":
    """A connection to a ledger of this version, and the lock that writers share, to be closed too.

    Creates or migrates it first if needed. Raises LedgerTooNew for a later version's ledger,
    LedgerUnusable for another program's or a development version's file and for a lost ledger,
    LedgerBusy while it is being replaced, and what SQLite raises.
    """
    prepare_folder(path)
    while (opened := _open(path)) is None:
        _migrate(path)
    return opened


def _open(path: Path) -> "tuple[sqlite3.Connection, access_lock.HeldLock] | None":
    """The connection and the lock; None where a migration, which needs the lock alone, is due."""
    held = access_lock.share(path)
    try:
        ledger_exists(path)
        connection = connect(path)
        try:
            if _version(connection, path) == VERSION:
                return connection, held
        except BaseException:
            connection.close()
            raise
        connection.close()
    except BaseException:
        held.close()
        raise
    held.close()
    return None


def check_version(connection: "sqlite3.Connection", path: Path) -> None:
    """Raise LedgerUnusable, for a reader, where the ledger is not of this version."""
    with ledger_errors(path, did="read"):
        version = _version(connection, path)
        _check_shape(connection, version, path)
    if not version:
        refuse_without_tables(path)
        raise missing(path)
    if version != VERSION:
        raise LedgerUnusable(
            f"The ledger {path} has the older schema version {version}: the next poll or submission"
            " migrates it and keeps a copy; `titan-console poll` does it now, without an API key.",
            code="ledger_too_old",
        )


def check_backup(connection: "sqlite3.Connection", path: Path) -> None:
    """Raise LedgerUnusable where this file is no ledger that can be opened or migrated."""
    version = _version(connection, path, otherwise=_ANOTHER_BACKUP)
    if not version:
        raise _unknown_schema(path, otherwise=_ANOTHER_BACKUP)
    _check_shape(connection, version, path, otherwise=_ANOTHER_BACKUP)


def _version(
    connection: "sqlite3.Connection", path: Path, *, otherwise: str = _ANOTHER_FOLDER
) -> int:
    """0 for an empty file. One statement: another process may be creating the tables right now."""
    application_id, version, is_empty = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version),"
        " NOT EXISTS (SELECT 1 FROM sqlite_master)"
    ).fetchone()
    if application_id != APPLICATION_ID and not (application_id == 0 and is_empty):
        raise LedgerUnusable(f"{path} is a database of another program, not a ledger: {otherwise}.")
    if version >= marks.MARKED and (mark := mark_of(connection)) is not None:
        raise marks.refusal(mark, path)
    if version > VERSION:
        raise LedgerTooNew(
            f"The ledger {path} has schema version {version}; this titan-console supports up to"
            f" {VERSION}. Upgrade it, or {otherwise}."
        )
    if version < 0 or (version == 0 and not is_empty):
        raise _unknown_schema(path, otherwise=otherwise)
    return version


def mark_of(connection: "sqlite3.Connection") -> Mark | None:
    """The mark of a moved ledger or of an incomplete copy; None for any other database."""
    application_id, version = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version)"
    ).fetchone()
    if application_id != APPLICATION_ID or version < marks.MARKED:
        return None
    return marks.mark_of(tuple(connection.execute(marks.READ).fetchone()))


def _unknown_schema(path: Path, *, otherwise: str) -> LedgerUnusable:
    return LedgerUnusable(
        f"The ledger {path} was written by a development version before 1.0 and cannot be"
        f" migrated: {otherwise}.",
        code="ledger_unknown_schema",
    )


def _migrate(path: Path) -> None:
    """Hold the lock alone: processes that start at once fail on each other's journal switch."""
    try:
        with access_lock.exclusive(path), closing(connect(path)) as connection:
            before = _version(connection, path)
            if before == VERSION:
                return
            if not before:
                refuse_without_tables(path)
            _check_shape(connection, before, path)
            if before:
                back_up(connection, path.with_suffix(f".v{before}.bak"))
            connection.execute(_GIVE_BACK)
            connection.execute("PRAGMA journal_mode=WAL")
            _apply(connection, is_new=not before)
    except OSError as error:
        raise LedgerUnusable(f"Cannot prepare the ledger {path}: {error}.") from error
    except sqlite3.IntegrityError as error:
        raise LedgerUnusable(
            f"Cannot migrate the ledger {path}: {reason(error)}. It is unchanged; run"
            " `titan-console rebuild`."
        ) from error


def create(connection: "sqlite3.Connection") -> None:
    """Create the tables of a new ledger in an empty file that no other process uses."""
    connection.execute(_GIVE_BACK)
    _apply(connection, is_new=True)


def _check_shape(
    connection: "sqlite3.Connection",
    version: int,
    path: Path,
    *,
    otherwise: str = _ANOTHER_FOLDER,
) -> None:
    """Refuse a development ledger, which has the number of a published version and other tables."""
    if version not in _PUBLISHED:
        return
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(_PUBLISHED[version])
        if _shape(connection) == _shape(expected):
            return
    raise _unknown_schema(path, otherwise=otherwise)


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

    # A step replaces tables that refer to each other; all references are checked before the commit.
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


def m001_first_tables(db: "Database") -> None:
    """The tables of version 1."""
    run_script(db.conn, tables_v1.TABLES + tables_v1.TRIGGERS)


def m002_standard_terms(db: "Database") -> None:
    """Tables, columns, statuses and event kinds get standard names."""
    from state.db.migrate_to_v2 import rename_to_standard_terms  # noqa: PLC0415 - seldom needed

    rename_to_standard_terms(db)


def m003_complete_billing(db: "Database") -> None:
    """What budgets, fees and cache priming need."""
    from state.db.migrate_to_v3 import complete_billing  # noqa: PLC0415 - seldom needed

    complete_billing(db)


def m004_public_views(db: "Database") -> None:
    """The views that any SQL tool can read."""
    run_script(db.conn, REPLACE_VIEWS)


def m005_batch_totals(db: "Database") -> None:
    """The sums of each collected batch, one batch at a time."""
    run_script(db.conn, TOTALS)
    for (batch_id,) in db.conn.execute("SELECT id FROM batches WHERE collected_ts IS NOT NULL"):
        for statement in totals_sql.FILL:
            db.conn.execute(statement, (batch_id,))


def m006_structured_output(db: "Database") -> None:
    """The schemas of answers, what does not match them, and how often to ask again."""
    run_script(db.conn, OUTPUT + REPLACE_VIEWS)


def m007_peak_totals(db: "Database") -> None:
    """What counters keep of the sums of a batch that is corrected."""
    run_script(db.conn, PEAKS)


def m008_alert_silences(db: "Database") -> None:
    """Alerts that are acknowledged or muted."""
    run_script(db.conn, SILENCES)


def m009_lanes(db: "Database") -> None:
    """Several ways to the API, each with its own holds, listings and unknown batches."""
    run_script(db.conn, LANES + REPLACE_VIEWS)


def m010_fences(db: "Database") -> None:
    """What tells the writes of a lease's holder from those of an earlier one."""
    run_script(db.conn, FENCES)


def m011_hosts(db: "Database") -> None:
    """Whose polls deliver a submission, and what the titan.toml of each host says."""
    run_script(db.conn, HOSTS)


# In order. A step's name is its record in the ledger, so it never changes.
_STEPS: tuple[Callable[["Database"], None], ...] = (
    m001_first_tables,
    m002_standard_terms,
    m003_complete_billing,
    m004_public_views,
    m005_batch_totals,
    m006_structured_output,
    m007_peak_totals,
    m008_alert_silences,
    m009_lanes,
    m010_fences,
    m011_hosts,
)


def _migrations(*, is_new: bool) -> "Migrations":
    """The steps, in the transaction of the caller.

    A new ledger gets the newest tables at once, and a record of all steps.
    """
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 - as above

    migrations = Migrations("titan")
    for number, step in enumerate(_STEPS):
        newest = _newest_tables if number == 0 else _nothing
        # The savepoint of a transactional step would keep each page that it changes in memory.
        migrations(name=step.__name__, transactional=False)(newest if is_new else step)
    return migrations


def _newest_tables(db: "Database") -> None:
    run_script(db.conn, NEWEST)


def _nothing(_db: "Database") -> None:
    """A step of a new ledger: the newest tables already include its change."""


def back_up(connection: "sqlite3.Connection", target: Path) -> None:
    """Copy the whole ledger, as of now, to another file; a copy that fails leaves none."""
    part = target.with_name(f"{target.name}.part")
    try:
        with closing(connect(part)) as copy:
            connection.backup(copy)
        replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
