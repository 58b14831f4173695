"""Files that a process left half-written in the spool when it died."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from state.batches.submissions import is_known
from state.db.ledger import Ledger

# Whoever still writes one has touched it since.
_OLD = timedelta(days=1)


def sweep(ledger: Ledger, spool: Path, now: datetime) -> int:
    """Delete what nobody will finish; how many files that were.

    The ledger points only at files that have their name, so a half-written one is of no
    submission; one that the ledger does know, and whose name was lost with the power, stays.
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
