"""The SQLite library in use, and what it says of the ledger's version and damage."""

from contextlib import closing
from pathlib import Path

from msgspec import Struct

from state.db.connection import FIRST_SAFE_SQLITE, connect_read_only, sqlite3
from state.db.marks import refusal
from state.db.reader import PARTS, Reader
from state.db.schema import NEWEST, mark_of
from state.db.sqlite_errors import UNREADABLE, reason
from state.files.lost_ledger import ledger_exists
from state.model.errors import LedgerError, LedgerUnusable


class SqliteLibrary(Struct, frozen=True, kw_only=True):
    """The SQLite library in use."""

    module: str
    version: str
    is_safe: bool


def sqlite_library() -> SqliteLibrary:
    """The SQLite library, and whether it is free of the WAL race that can lose pages."""
    return SqliteLibrary(
        module=sqlite3.__name__.partition(".")[0],
        version=sqlite3.sqlite_version,
        is_safe=sqlite3.sqlite_version_info >= FIRST_SAFE_SQLITE,
    )


# Errors of a ledger that a restore or a rebuild replaces; others go away by themselves or are about
# the folder, the disk or the version.
_DAMAGE = {"ledger_damaged", "ledger_lost", "ledger_unknown_schema", "ledger_unusable"}


def is_damage(error: LedgerError) -> bool:
    """Whether a restore or a rebuild is the remedy, since the ledger is damaged or lost."""
    return error.code in _DAMAGE


def is_older(path: Path) -> bool:
    """Whether the ledger has an older version, which the next writer migrates."""
    try:
        Reader(path).close()
    except LedgerUnusable as error:
        if error.code != "ledger_too_old":
            raise
        return True
    return False


def refuse_marked(path: Path) -> None:
    """Raise LedgerUnusable for a ledger that was moved, and for an incomplete copy.

    A backup in its place would send again what the other ledger sends.
    """
    try:
        if not ledger_exists(path):
            return
        with closing(connect_read_only(path)) as connection:
            mark = mark_of(connection)
    except (*UNREADABLE, LedgerError):
        # Damaged or lost: a restore is the remedy.
        return
    if mark is not None:
        raise refusal(mark, path)


def damage_text(error: LedgerError) -> str:
    """What SQLite says of the damage; all of the error where SQLite did not find it."""
    return reason(error.__cause__) if isinstance(error.__cause__, Exception) else str(error)


def damage(path: Path, *, thorough: bool) -> str | None:
    """The errors of SQLite's own integrity check, and what another program dropped; None when good.

    Raises LedgerUnusable when it cannot even be opened.
    """
    check = "integrity_check" if thorough else "quick_check"
    with Reader(path) as reader:
        try:
            found = [str(row[0]) for row in reader.rows(f"PRAGMA {check}")]
            violations = reader.rows("PRAGMA foreign_key_check")
            missing = dropped(reader)
        except LedgerUnusable as error:
            return damage_text(error)
    if found != ["ok"]:
        return "; ".join(found[:3])
    return f"{len(violations)} foreign key violations" if violations else missing


def dropped(reader: Reader) -> str | None:
    """The first trigger, index or view of this version that the ledger, in any database, has not.

    Without its triggers and unique indexes, the rules of the ledger would not be enforced.
    """
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(NEWEST)
        parts = {(row[0], row[1]) for row in expected.execute(PARTS)}
    lacking = sorted(parts - reader.parts())
    if not lacking:
        return None
    kind, name = lacking[0]
    rest = f"and {len(lacking) - 1} more are" if len(lacking) > 1 else "is"
    return f"the {kind} {name} {rest} missing: another program has changed the ledger"
