"""One backup of the ledger a UTC day, made by the first poll of that day."""

from core.batches.engine_context import Context
from core.config import titan_file
from core.config.backup_settings import BackupSettings
from core.text import megabytes
from state.db import ledger_copy
from state.files.system_errors import cause
from state.model.errors import LedgerError
from state.recovery import backups


def make_if_due(context: Context) -> str | None:
    """Make today's backup and remove old ones; returns why there is none.

    A day is done once its file is there, so a backup that failed is tried again by each poll. A
    ledger in PostgreSQL is backed up by its server. Copies that restores, rebuilds and migrations
    kept are removed by the same bounds; where daily backups are switched off, the default number of
    them stays.
    """
    day = context.clock.now().date().isoformat()
    if context.folder.ledger_url is not None or context.folder.has_backup_of(day):
        return None
    target = context.folder.backup_of(day)
    settings = titan_file.read(context.folder).backup
    keep, max_bytes = settings.keep_days, settings.max_mb * 1_000_000
    try:
        problem = _problem(context, settings) if keep else None
        if keep and problem is None:
            backups.write(context.ledger, target)
            backups.trim(context.folder, keep=keep, max_bytes=max_bytes)
        if problem is None:
            keep = keep or BackupSettings().keep_days
            backups.trim_kept(context.folder, keep=keep, max_bytes=max_bytes)
    except LedgerError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{cause(error, target).text}."
    return None if problem is None else f"No backup was made today: {problem}"


def _problem(context: Context, settings: BackupSettings) -> str | None:
    """Why the backup is not tried: a full disk would stop everything else too."""
    size = ledger_copy.size_of(context.ledger)
    if size > settings.max_mb * 1_000_000:
        return (
            f"the ledger is {megabytes(size)}, more than [backup] max_mb = {settings.max_mb}."
            " Raise max_mb in titan.toml, or run `titan-console prune`."
        )
    free = backups.free_bytes(context.folder)
    if free - size < settings.min_free_mb * 1_000_000:
        return (
            f"the disk of {context.folder.root} has {megabytes(free)} free; a backup needs"
            f" {megabytes(size)} and must leave {settings.min_free_mb:,} MB ([backup] min_free_mb)."
            " Free some space."
        )
    return None
