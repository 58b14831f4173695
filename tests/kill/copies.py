"""Checks of the rebuilt copies: whole, with everything that their files had, and as billed."""

from collections.abc import Iterator

from kill.sandbox import KillSandbox
from kill.worker import RunTarget
from simulation import checks
from simulation.oracle import Oracle, read_oracle

from core.bootstrap import rebuild_ledger
from core.config.settings import Settings
from state.db import integrity
from state.db.connection import connect, sqlite3
from state.files.folder import Folder
from state.model.errors import LedgerError


def copy_findings(target: RunTarget, sandbox: KillSandbox, copies: int) -> Iterator[str]:
    """One line per violation. A copy whose last rebuild was killed is rebuilt first."""
    oracle = read_oracle(sandbox)
    returned = {line.split()[1] for line in target.beside("keys").read_text().splitlines()}
    for number in range(1, copies + 1):
        folder = Folder(target.beside("copies") / str(number))
        if is_damaged(folder):
            rebuild_ledger(Settings(home=folder.root), actor="last")
        ledger = connect(folder.ledger)
        try:
            for line in (
                *checks._integrity(ledger),
                *_nothing_lost(folder, ledger, returned),
                *_as_billed(ledger, oracle),
            ):
                yield f"copy {number}: {line}"
        finally:
            ledger.close()


def is_damaged(folder: Folder) -> bool:
    """Whether the ledger is missing, empty or damaged."""
    if not folder.ledger.exists():
        return True
    try:
        return integrity.damage(folder.ledger, thorough=True) is not None
    except LedgerError:
        return True


def _nothing_lost(folder: Folder, ledger: sqlite3.Connection, returned: set[str]) -> Iterator[str]:
    """Each submission is there whose key a process got and whose spool file is in the copy.

    A fallback file's key also names the submission that had the same requests.
    """
    known = {
        row[0]
        for row in ledger.execute(
            "SELECT key FROM submissions UNION SELECT key FROM fallback_imports"
        ).fetchall()
    }
    keys = folder.root.with_name(f"{folder.root.name}-keys")
    kept = {path.stem for path in folder.fallback.glob("*.jsonl")}
    for key in keys.read_text().split() if keys.exists() else ():
        if key not in known | kept:
            yield f"P1: {key} was returned during a rebuild and is lost"
    for path in folder.spool.glob("*.jsonl"):
        if path.stem in returned - known - kept:
            yield f"P1: {path.name} is in no submission"


def _as_billed(ledger: sqlite3.Connection, oracle: Oracle) -> Iterator[str]:
    for batch in ledger.execute(
        "SELECT * FROM batches WHERE remote_id IS NOT NULL AND collection = 'collected'"
    ).fetchall():
        rows = oracle.ours.get(batch["remote_id"])
        if rows is None:
            yield f"P3: {batch['remote_id']} is not on the bill"
        else:
            yield from checks._batch_is_bill(ledger, batch, rows)
