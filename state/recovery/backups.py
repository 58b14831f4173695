"""Backups of the ledger: one a day in `backups/`, a bounded number of a bounded size."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from state.db import ledger_copy
from state.db.ledger import Ledger
from state.files.folder import Folder, make_private, replace
from state.files.lost_ledger import backup_files
from state.model.errors import LedgerError, LedgerUnusable


class Backup(Struct, frozen=True, kw_only=True):
    """A copy of the ledger, and when it was made."""

    path: Path
    made: datetime
    size: int


def listed(folder: Folder) -> list[Backup]:
    """Every backup, those of migrations and replaced ledgers too; newest first."""
    found = [_backup(path) for path in backup_files(folder)]
    return sorted(found, key=lambda backup: (backup.made, backup.path.name), reverse=True)


def _backup(path: Path) -> Backup:
    found = path.stat()
    return Backup(path=path, made=datetime.fromtimestamp(found.st_mtime, UTC), size=found.st_size)


def daily(folder: Folder) -> list[Path]:
    """The daily backups, newest first."""
    return sorted(filter(Path.is_file, folder.backups.glob("titan-*.db")), reverse=True)


def free_bytes(folder: Folder) -> int:
    """Free space of the disk that backups are written to."""
    return shutil.disk_usage(folder.root).free


def write(ledger: Ledger, target: Path) -> None:
    """Make a backup durably. Raises LedgerUnusable where the ledger is damaged, and OSError."""
    make_private(target.parent)
    for left in target.parent.glob("*.part"):
        left.unlink(missing_ok=True)
    part = target.with_name(f"{os.getpid()}-{id(ledger):x}.part")
    try:
        wrong = ledger_copy.copy(ledger.connection, part)
        if wrong:
            raise LedgerUnusable(f"The ledger {ledger.path} is damaged: {wrong}.")
        ledger.crash_point("backup:copied")
        _sync(part)
        ledger.crash_point("backup:fsync")
        replace(part, target)
        ledger.crash_point("backup:rename")
    except (OSError, LedgerError):
        part.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def trim(folder: Folder, *, keep: int, max_bytes: int) -> None:
    """Remove the oldest daily backups: at most `keep` stay, of that total size; the newest does."""
    total = 0
    for number, path in enumerate(daily(folder)):
        total += path.stat().st_size
        if number and (number >= keep or total > max_bytes):
            path.unlink(missing_ok=True)
