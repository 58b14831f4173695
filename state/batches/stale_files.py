"""Deletes what killed processes left: half-written spool files, staged rows, incomplete copies.

Where hosts share the files, those on this disk are copies, of which old ones are deleted, too.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from state.batches.submissions import is_known
from state.db.dialect import LISTED_TEXTS, as_list
from state.db.ledger import Ledger
from state.files.file_store import FETCHED
from state.files.folder import Folder

# A running writer changes its file more often than this.
_OLD = timedelta(days=1)
# A copy of a shared file is kept for so long on the disk of a host.
_COPIES = timedelta(days=7)
_TOGETHER = 1000


def sweep_shared(
    ledger: Ledger, folder: Folder, now: datetime, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Delete old copies on this disk of files that hosts share, or shared before; their number.

    In the store, what nothing refers to is deleted, until `is_over`.
    """
    if not ledger.files.is_shared:
        return 0
    ledger.files.sweep(is_over)
    before, deleted = (now - _COPIES).timestamp(), 0
    old = _older(folder, before)
    while paths := list(islice(old, _TOGETHER)):
        stored, pruned = ledger.files.sizes(paths), _pruned(ledger, paths)
        for path in paths:
            with suppress(OSError):
                if _key(path) in pruned or path.stat().st_size <= stored.get(path, -1):
                    path.unlink()
                    deleted += 1
    return deleted


def _key(path: Path) -> str:
    """The key of its submission."""
    return path.name.split(".")[0].split("-")[0]


def _pruned(ledger: Ledger, paths: Iterable[Path]) -> set[str]:
    """The keys of those whose bodies were deleted, by a prune on any host."""
    rows = ledger.rows(
        f"SELECT key FROM submissions WHERE pruned_ts IS NOT NULL AND key IN {LISTED_TEXTS}",  # noqa: S608 - our own words
        as_list(map(_key, paths)),
    )
    return {row[0] for row in rows}


def _older(folder: Folder, before: float) -> Iterator[Path]:
    for place in (folder.spool, folder.results):
        for path in place.glob("*.jsonl"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    yield path


def sweep(ledger: Ledger, spool: Path, now: datetime) -> int:
    """Delete half-written spool files (`*.part`) and staged rows older than a day; their number.

    The ledger refers to a spool file by its final name. A half-written file is kept if the ledger
    has its submission and no file has the final name, since a power failure can undo the rename.
    """
    before = (now - _OLD).timestamp()
    deleted = 0
    # An operation deletes the file of its staged rows itself, unless it is killed.
    staged = ledger.path.parent.glob(f"{ledger.path.name}-staged_*")
    fetched = ledger.path.parent.glob(f"*/*{FETCHED}")
    for left in [*spool.glob("*.part"), *staged, *fetched]:
        with suppress(OSError):
            if left.stat().st_mtime < before and not _is_needed(ledger, left):
                left.unlink()
                deleted += 1
    return deleted


def _is_needed(ledger: Ledger, part: Path) -> bool:
    named = part.with_suffix("")
    return part.suffix == ".part" and not named.exists() and is_known(ledger, named.stem)
