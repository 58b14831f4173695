"""Copies the ledger while others use it."""

from contextlib import closing
from pathlib import Path

from state.db.connection import connect_read_only, sqlite3
from state.db.ledger import Ledger
from state.db.schema import check_backup
from state.db.sqlite_errors import DAMAGED, UNREADABLE, ledger_error, reason
from state.files.folder import make_private_file


def size_of(ledger: Ledger) -> int:
    """Bytes of a copy."""
    pages, size = (ledger.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
    return int(pages) * int(size)


def copy(ledger: Ledger, target: Path) -> str | None:
    """Copy the ledger, as of now, to a new file; returns the damage of the copy, if any.

    It needs no WAL beside it. Not durable yet. Raises LedgerUnusable where the target cannot be
    written, and OSError.
    """
    return _copy(ledger.connection, target)


def copy_backup(backup: Path, target: Path) -> str | None:
    """Copy a backup, with its WAL if it has one, as `copy` does; returns its damage, if any.

    Raises LedgerUnusable also where the backup is no ledger that can be opened or migrated.
    """
    try:
        with closing(connect_read_only(backup)) as source:
            check_backup(source, backup)
            return _copy(source, target)
    except UNREADABLE as error:
        return reason(error)


def _copy(source: "sqlite3.Connection", target: Path) -> str | None:
    make_private_file(target)
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous=OFF")
            source.backup(made)
            made.execute("PRAGMA journal_mode=DELETE")
            found = [str(row[0]) for row in made.execute("PRAGMA quick_check(3)")]
    except UNREADABLE as error:
        failure = ledger_error(error, target, did="written")
        if failure.code != DAMAGED:
            raise failure from error
        found = [reason(error)]
    return None if found == ["ok"] else "; ".join(" ".join(line.split()) for line in found)
