"""Files that a process left half-written in the spool when it died."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from state.batches.submissions import is_known
from state.db.ledger import Ledger

# A writer that still runs has changed the file since.
_OLD = timedelta(days=1)


def sweep(ledger: Ledger, spool: Path, now: datetime) -> int:
    """Delete half-written spool files (`*.part`) older than a day; how many there were.

    The ledger records a spool file only under its final name. A file is kept when the ledger
    has its submission and the final name is missing: a power cut can lose the rename.
    """
    before = (now - _OLD).timestamp()
    swept = 0
    for part in spool.glob("*.part"):
        with suppress(OSError):
            if part.stat().st_mtime < before and not _is_needed(ledger, part):
                part.unlink()
                swept += 1
    return swept


def _is_needed(ledger: Ledger, part: Path) -> bool:
    named = part.with_suffix("")
    return not named.exists() and is_known(ledger, named.stem)
