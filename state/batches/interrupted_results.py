"""Renames results files after a kill between the commit and the rename."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from state.db.ledger import Ledger
from state.files import archive
from state.files.folder import replace


def finish_renames(
    ledger: Ledger,
    folder: Path,
    *,
    guard: Callable[[Path], AbstractContextManager[None]] = lambda _path: nullcontext(),
) -> None:
    """Give each whole file its name where a kill came between the commit and the rename.

    So does the file of rejected lines. What else that kill left, a try or the answers of a
    synchronous run, goes, as does all that is left of a batch that was not sent, and a file with
    fewer results than the complete one beside it. Each file is handled inside `guard`.
    """
    for part in [
        *folder.glob("*.jsonl.part"),
        *folder.glob("*.rejected.part"),
        *folder.glob("*.jsonl.*.try"),
        *folder.glob("*.answers"),
    ]:
        with guard(part):
            _name(ledger, part)


def _name(ledger: Ledger, part: Path) -> None:
    key = part.name.split(".")[0]
    batch = ledger.row(
        "SELECT status, results_bytes FROM batches WHERE key = ?"
        " AND (collection NOT IN ('not_ready', 'pending') OR status IN ('not_sent', 'rejected'))",
        key,
    )
    if batch is None:
        return
    is_unsent = batch["status"] in ("not_sent", "rejected")
    if part.suffix != ".part" or is_unsent or _is_outdated(ledger, part, batch["results_bytes"]):
        part.unlink(missing_ok=True)
    else:
        replace(part, part.with_suffix(""))


def _is_outdated(ledger: Ledger, part: Path, recorded_bytes: int) -> bool:
    """Whether it has fewer results than the ledger records, and than the file beside it.

    Where another host has collected the rest, that file is in the store.
    """
    results, size = part.with_suffix(""), part.stat().st_size
    if results.suffix != ".jsonl" or size >= recorded_bytes:
        return False
    is_stored = ledger.files.sizes([results]).get(results, 0) > size
    return is_stored or (archive.exists(results) and archive.size(results) > size)
