"""Renames results files after a kill between the commit and the rename."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from state.db.ledger import Ledger
from state.files.folder import replace


def finish_renames(
    ledger: Ledger,
    folder: Path,
    *,
    guard: Callable[[Path], AbstractContextManager[None]] = lambda _path: nullcontext(),
) -> None:
    """Give each whole file its name where a kill came between the commit and the rename.

    So does the file of rejected lines. What else that kill left, a try or the answers of a
    synchronous run, goes, as does all that is left of a batch that was not sent. Each file is
    handled inside `guard`.
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
        "SELECT status FROM batches WHERE key = ?"
        " AND (collection NOT IN ('not_ready', 'pending') OR status IN ('not_sent', 'rejected'))",
        key,
    )
    if batch is None:
        return
    if part.suffix == ".part" and batch["status"] not in ("not_sent", "rejected"):
        replace(part, part.with_suffix(""))
    else:
        part.unlink(missing_ok=True)
