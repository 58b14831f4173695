"""Confines a failure to the one item it happened to: a batch, a file, a command, an alert."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from core import internal_errors
from core.batches.engine_context import Context
from core.batches.read_retry import next_poll_at
from core.errors import ApiError, SettingsError
from state.batches import poll_problems, remote_status
from state.files import poll_crash_log
from state.files.file_errors import is_disk_full
from state.files.system_errors import cause
from state.model.errors import FileUnusable, LedgerBusy, LedgerUnusable, TitanError
from state.model.records import Batch, BatchStatus
from state.queries import mirrors

# The poll backs off from them one by one.
_POLLED = (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING, BatchStatus.ENDED)


@contextmanager
def isolated(
    context: Context, what: str, problems: list[str], *, batch: Batch | None = None
) -> Generator[None, None, None]:
    """A failure inside is a problem of this item alone: an event, and a line in `problems`.

    The item stays as it is, so that a later poll retries it. Raised is only what concerns every
    item: the ledger, a full disk, the settings, and a signal.
    """
    try:
        yield
    except Exception as error:
        if affects_all_items(error):
            raise
        record(context, what, error, problems, batch=batch)


def update_mirrors(context: Context) -> list[str]:
    """Append new lines to the mirror files; returns the problems of unwritable ones."""
    problems: list[str] = []
    if not context.writes_mirrors:
        return problems
    mirrors.update(
        context.ledger,
        context.folder,
        guard=lambda path: isolated(context, f"Cannot update {path.name}", problems),
    )
    return problems


def announce(context: Context, batch: Batch, problems: list[str]) -> None:
    """Write the mirror's line of a batch before a call is made for it, or its results arrive.

    So a rebuild looks at the API for whatever may be there, and takes what has no line for not
    sent. Where the file cannot be written, another one says so, and a rebuild concludes nothing.
    A ledger that hosts share is not rebuilt from files. Raises FileUnusable where neither file can
    be written: no call may be made then.
    """
    ledger, folder = context.ledger, context.folder
    if ledger.is_shared or mirrors.has_newest_line(ledger, folder, batch):
        return
    with isolated(context, f"Cannot update {folder.jobs_mirror.name}", problems):
        mirrors.update_jobs(ledger, folder)
    if not mirrors.has_newest_line(ledger, folder, batch):
        mirrors.mark_incomplete(folder)


def affects_all_items(error: Exception) -> bool:
    """Whether the next item would fail for the same reason."""
    if isinstance(error, LedgerUnusable):
        return not isinstance(error, FileUnusable)
    if isinstance(error, OSError):
        return is_disk_full(error)
    return isinstance(error, LedgerBusy | SettingsError)


def reason_of(error: Exception) -> str:
    """The error in one line; of an unforeseen one only its type and place."""
    if isinstance(error, TitanError):
        return str(error)
    if isinstance(error, OSError):
        if not isinstance(error.filename, str):
            return error.strerror or type(error).__name__
        return f"{error.filename}: {cause(error, Path(error.filename)).text}"
    return internal_errors.describe(error)


def record(
    context: Context,
    what: str,
    error: Exception,
    problems: list[str],
    *,
    batch: Batch | None = None,
) -> None:
    """Note the failure of an item; the stack of an unforeseen one goes into the crash log."""
    reason = reason_of(error)
    problems.append(f"{what}: {reason.rstrip('.')}. The next polls retry it.")
    if not isinstance(error, TitanError | OSError):
        poll_crash_log.append_once(
            context.folder, internal_errors.trace(error), context.clock.now()
        )
    if batch is None or batch.status not in _POLLED:
        batch_id = batch.id if batch else None
        poll_problems.record(context.ledger, what, reason, batch_id=batch_id)
        return
    retry_after_s = error.retry_after_s if isinstance(error, ApiError) else None
    next_poll = next_poll_at(
        context.clock.now(), failures=batch.failures, retry_after_s=retry_after_s
    )
    remote_status.record_poll_failure(context.ledger, batch, reason, next_poll=next_poll)
