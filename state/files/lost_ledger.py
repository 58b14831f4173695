"""Distinguishes a new TITAN_HOME from one with a missing ledger, by the files in it."""

from collections.abc import Iterator
from pathlib import Path

from state.files.folder import Folder
from state.model.errors import LedgerUnusable


def ledger_exists(ledger: Path) -> bool:
    """Whether there is a ledger; an empty file is none.

    Raises LedgerUnusable if the ledger is missing, but its data files exist. The ledger is
    checked before and after these, since a process creates them after its ledger is complete.
    """
    if not _is_empty(ledger):
        return True
    found = _found(ledger)
    if found and _is_empty(ledger):
        raise _lost(ledger, "empty" if ledger.exists() else "missing", found)
    return False


def require_ledger(ledger: Path) -> None:
    """Raise LedgerUnusable where there is none: only a submission or a poll creates one."""
    if not ledger_exists(ledger):
        raise missing(ledger)


def missing(ledger: Path | str) -> LedgerUnusable:
    """The error of a ledger that is to be created."""
    return LedgerUnusable(
        f"There is no ledger at {ledger} yet; the first submission or poll creates it.",
        code="ledger_missing",
    )


def refuse_without_tables(ledger: Path) -> None:
    """Raise LedgerUnusable for a database without any table beside its data files."""
    found = _found(ledger)
    if found:
        raise _lost(ledger, "without any table", found)


def refuse_new_beside_work(folder: Folder, name: str) -> None:
    """Raise LedgerUnusable for an empty database where the folder has data of an earlier ledger.

    `name` is that of the database. A new ledger would send the same work a second time.
    """
    is_here = not _is_empty(folder.ledger)
    found = ", ".join([*([folder.ledger.name] if is_here else []), *_kinds(folder)])
    if not found:
        return
    remedy = (
        f"copy {folder.ledger.name} into it with `titan-console ledger copy`"
        if is_here
        else "restore a backup of the database"
    )
    raise LedgerUnusable(
        f"The database {name} has no ledger, but {folder.root} has data of one: {found}. Nothing"
        f" was created; {remedy}, correct its address, or set TITAN_HOME to an empty folder.",
        code="ledger_lost",
    )


def _lost(ledger: Path, state: str, found: str) -> LedgerUnusable:
    return LedgerUnusable(
        f"The ledger {ledger} is {state}, but its data files exist: {found}. Nothing was"
        " created; run `titan-console restore` for a backup, or `titan-console rebuild`.",
        code="ledger_lost",
    )


def backup_files(folder: Folder) -> list[Path]:
    """Every copy of the ledger: daily backups, those of migrations, and replaced ledgers."""
    beside = (folder.root.glob(f"titan.*.{kind}") for kind in ("bak", "replaced", "damaged"))
    names = [*folder.backups.glob("titan-*.db"), *(path for found in beside for path in found)]
    return [path for path in names if path.is_file() and path.stat().st_size]


def _is_empty(ledger: Path) -> bool:
    """A ledger that cannot be looked at is not taken for a missing one."""
    try:
        return ledger.stat().st_size == 0 and ledger.is_file()
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _found(ledger: Path) -> str:
    """The files beside `titan.db`; none for a ledger that is being prepared."""
    folder = Folder(ledger.parent)
    return ", ".join(_kinds(folder)) if ledger == folder.ledger else ""


def _kinds(folder: Folder) -> Iterator[str]:
    """Each kind of file with its number. A fallback file is none: a new ledger imports it whole."""
    spooled = len(list(folder.spool.glob("tb_*.jsonl*")))
    answered = len(list(folder.results.glob("*.jsonl*")))
    found = backup_files(folder)
    copies, daily = len(found), sum(path.parent == folder.backups for path in found)
    mirrors = (folder.jobs_mirror, folder.errors_mirror, folder.cost_mirror)
    if spooled:
        yield f"{spooled:,} in {folder.spool.name}/"
    if answered:
        yield f"{answered:,} in {folder.results.name}/"
    yield from (mirror.name for mirror in mirrors if mirror.is_file() and mirror.stat().st_size)
    if copies:
        what = f"{copies:,} {'copy' if copies == 1 else 'copies'} of the ledger"
        yield f"{what} ({daily:,} in {folder.backups.name}/)"
