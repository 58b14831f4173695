"""Deletes half-written spool files of processes that were killed."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from state.batches.submissions import is_known
from state.db.ledger import Ledger

# A running writer changes its file more often than this.
_OLD = timedelta(days=1)


def sweep(ledger: Ledger, spool: Path, now: datetime) -> int:
    """Delete half-written spool files (`*.part`) older than a day, and return their number.

    The ledger refers to a spool file by its final name. A half-written file is kept if the ledger
    has its submission and no file has the final name, since a power failure can undo the rename.
    """
    before = (now - _OLD).timestamp()
    deleted = 0
    for part in spool.glob("*.part"):
        with suppress(OSError):
            if part.stat().st_mtime < before and not _is_needed(ledger, part):
                part.unlink()
                deleted += 1
    return deleted


def _is_needed(ledger: Ledger, part: Path) -> bool:
    named = part.with_suffix("")
    return not named.exists() and is_known(ledger, named.stem)
