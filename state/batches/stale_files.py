"""Deletes half-written spool files and staged rows of processes that were killed."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from state.batches.submissions import is_known
from state.db.ledger import Ledger

# A running writer changes its file more often than this.
_OLD = timedelta(days=1)


def sweep(ledger: Ledger, spool: Path, now: datetime) -> int:
    """Delete half-written spool files (`*.part`) and staged rows older than a day; their number.

    The ledger refers to a spool file by its final name. A half-written file is kept if the ledger
    has its submission and no file has the final name, since a power failure can undo the rename.
    """
    before = (now - _OLD).timestamp()
    deleted = 0
    # An operation deletes the file of its staged rows itself, unless it is killed.
    staged = ledger.path.parent.glob(f"{ledger.path.name}-staged_*")
    for left in [*spool.glob("*.part"), *staged]:
        with suppress(OSError):
            if left.stat().st_mtime < before and not _is_needed(ledger, left):
                left.unlink()
                deleted += 1
    return deleted


def _is_needed(ledger: Ledger, part: Path) -> bool:
    named = part.with_suffix("")
    return part.suffix == ".part" and not named.exists() and is_known(ledger, named.stem)
