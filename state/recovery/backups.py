"""Backups of the ledger: one a day in `backups/`, a bounded number of a bounded size."""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from state.db import ledger_copy
from state.db.ledger import Ledger
from state.files.folder import Folder, make_private, replace
from state.files.lost_ledger import backup_files
from state.model.errors import LedgerError, LedgerUnusable

# What this program keeps; a copy that a user made is the user's.
_KEPT = re.compile(r"titan\.(v\d+\.bak|\d{8}T\d{6}(-\d+)?\.(replaced|damaged))")


class Backup(Struct, frozen=True, kw_only=True):
    """A copy of the ledger with its write-ahead log, when it was last written, and its bytes."""

    path: Path
    made: datetime
    size: int


def listed(folder: Folder) -> list[Backup]:
    """Every backup, those of migrations and replaced ledgers too; newest first."""
    found = [_backup(path) for path in backup_files(folder)]
    return sorted(found, key=lambda backup: (backup.made, backup.path.name), reverse=True)


def _backup(path: Path) -> Backup:
    found = [part.stat() for part in (path, *_logs(path)) if part.exists()]
    made = max(part.st_mtime for part in found)
    size = sum(part.st_size for part in found)
    return Backup(path=path, made=datetime.fromtimestamp(made, UTC), size=size)


def _logs(path: Path) -> list[Path]:
    """What a replaced ledger has beside it, if it was not closed."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm")]


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
        wrong = ledger_copy.copy(ledger, part)
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
    _trim([_backup(path) for path in daily(folder)], keep, max_bytes)


def trim_kept(folder: Folder, *, keep: int, max_bytes: int) -> None:
    """Remove the oldest copies that migrations, restores and rebuilds kept, as `trim` does."""
    ours = [copy for copy in listed(folder) if _KEPT.fullmatch(copy.path.name)]
    _trim(ours, keep, max_bytes)


def _trim(newest_first: list[Backup], keep: int, max_bytes: int) -> None:
    total = 0
    for number, backup in enumerate(newest_first):
        total += backup.size
        if number and (number >= keep or total > max_bytes):
            # The ledger goes last: after a kill it is listed, and goes the next time.
            for path in (*_logs(backup.path), backup.path):
                path.unlink(missing_ok=True)
