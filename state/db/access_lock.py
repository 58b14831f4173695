"""The lock between the processes that write the ledger and the one that replaces it.

Writers share it while they have the ledger open; `rebuild`, `restore` and migrations hold it alone.
It is SQLite's lock on an empty file of its own: shared or exclusive on every system, and taken away
from the dead.
"""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from state.db.connection import sqlite3
from state.files.folder import make_private_file
from state.files.system_errors import cause
from state.model.errors import LedgerBusy, LedgerUnusable


class HeldLock(Protocol):
    """A lock that is held until it is closed."""

    def close(self) -> None:
        """Release the lock."""
        ...


# A rebuild of 12,000 requests takes 6 s.
SHARED_WAIT_S = 20.0
EXCLUSIVE_WAIT_S = 20.0


def lock_file(ledger: Path) -> Path:
    """The file that is locked; always empty."""
    return ledger.with_suffix(".access.lock")


def share(ledger: Path) -> HeldLock:
    """Hold the lock with other writers. Raises LedgerBusy while the ledger is being replaced."""
    held = _open(ledger, SHARED_WAIT_S)
    try:
        held.execute("BEGIN")
        held.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        held.close()
        raise LedgerBusy(
            f"The ledger {ledger} is being rebuilt, restored or migrated by another process."
            " Try again when it is done.",
            code="ledger_being_replaced",
        ) from error
    return held


@contextmanager
def exclusive(ledger: Path) -> Generator[None, None, None]:
    """Hold the lock alone: no other process writes the ledger inside. Raises LedgerBusy."""
    held = _open(ledger, EXCLUSIVE_WAIT_S)
    try:
        try:
            # Otherwise the lock makes a journal, which a kill leaves behind.
            held.execute("PRAGMA journal_mode=MEMORY")
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            raise LedgerBusy(
                f"The ledger {ledger} is in use by another process, such as a poll. Try again when"
                " it has ended.",
                code="ledger_in_use",
            ) from error
        yield
    finally:
        held.close()


def _refuse_other_home(ledger: Path) -> None:
    """Raise LedgerUnusable for a link to the ledger of another TITAN_HOME.

    Its lock, its bodies and the limits of its titan.toml would not count here.
    """
    if not ledger.is_symlink():
        return
    real = Path(os.path.realpath(ledger))
    if lock_file(real).exists():
        raise LedgerUnusable(
            f"The ledger {ledger} is a link to that of another TITAN_HOME, which has the files and"
            f" limits that belong to it. Set TITAN_HOME={real.parent}, or remove the link.",
            code="ledger_of_other_home",
        )


def _open(ledger: Path, timeout: float) -> "sqlite3.Connection":
    _refuse_other_home(ledger)
    path = lock_file(ledger)
    try:
        make_private_file(path)
        held = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        number = errno.EISDIR if path.is_dir() else errno.EACCES
        found = cause(error if isinstance(error, OSError) else OSError(number, ""), path)
        raise LedgerUnusable(
            f"Cannot write the ledger {ledger}: {found.text}."
            " Set TITAN_HOME to a folder that this user can write to.",
            code=found.code,
        ) from error
    return held
