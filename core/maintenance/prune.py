"""Retention: deletes the bodies of old submissions, compresses those of younger ones.

The ledger's rows stay: they record the cost, and prevent a repeated submit from paying twice.
`docs/adr/0010` has the reasons.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from core.batches.engine_context import Context
from state.db.reader import Source
from state.files import archive
from state.files.folder import Folder, delivered_name
from state.files.results_file import file_name
from state.files.system_errors import cause
from state.model.errors import LedgerUnusable
from state.model.timestamps import to_text
from state.operations import retention
from state.operations.retention import PrunableSubmission


class Pruned(Struct, kw_only=True):
    """The pruned files, or those that would be pruned: counts, and bytes on disk.

    `commands_open`: nothing was done, because an operator's command is open.
    """

    submissions: int = 0
    files_removed: int = 0
    bytes_removed: int = 0
    files_compressed: int = 0
    bytes_saved: int = 0
    commands_open: bool = False


def prune(context: Context, *, before: datetime, compress_before: datetime) -> Pruned:
    """Delete the files of submissions finished before one time, compress those before the other.

    Unsettled and undelivered submissions are never touched, and nothing is while a command is
    open. Files that hosts share are compressed already; of those on a disk, this deletes the ones
    of this host. Raises LedgerUnusable.
    """
    done = Pruned(commands_open=not retention.is_idle(context.ledger))
    if done.commands_open:
        return done
    try:
        removed = _remove(context, to_text(before), done)
        context.ledger.files.sweep()
        for path in _compressible(
            context.ledger, context.folder, to_text(compress_before), removed
        ):
            done.files_compressed += 1
            done.bytes_saved += archive.compress(path)
    except OSError as error:
        why = cause(error, context.folder.root)
        raise LedgerUnusable(
            f"Cannot prune: {why.text}. Completed steps are consistent; run it again.",
            code=why.code,
        ) from error
    context.ledger.shrink()
    return done


def preview(
    source: Source, folder: Folder, *, before: datetime, compress_before: datetime
) -> Pruned:
    """What `prune` would do now, except for how much compression would save."""
    done = Pruned(commands_open=not retention.is_idle(source))
    if done.commands_open:
        return done
    old = retention.prunable(source, before_ts=to_text(before))
    done.submissions = len(old)
    shared = [path for one in old for path in retention.stored_files(folder, one)]
    done.files_removed, done.bytes_removed = source.files.occupied(shared)
    for form in _existing([path for one in old for path in _files_of(folder, one)]):
        done.files_removed += 1
        done.bytes_removed += form.stat().st_size
    removed = {one.key for one in old}
    done.files_compressed = sum(
        1 for _ in _compressible(source, folder, to_text(compress_before), removed)
    )
    return done


def _remove(context: Context, before_ts: str, done: Pruned) -> set[str]:
    """Mark the submissions first, so that a later call finds files that a kill left."""
    old, files = retention.prunable(context.ledger, before_ts=before_ts), context.ledger.files
    shared = [path for one in old for path in retention.stored_files(context.folder, one)]
    done.files_removed, done.bytes_removed = files.occupied(shared)
    old = retention.mark_pruned(context.ledger, old, before_ts=before_ts)
    context.ledger.crash_point("prune:marked")
    files.release(context.folder.spool / name for name in retention.edit_files(context.ledger))
    done.submissions = len(old)
    local = [path for one in old for path in _files_of(context.folder, one)]
    for form in _existing([*local, *_leftover_files(context)]):
        done.files_removed += 1
        done.bytes_removed += form.stat().st_size
        form.unlink()
    return {one.key for one in old}


def _existing(files: list[Path]) -> Iterator[Path]:
    """Each file once, in the forms that it has: plain, compressed or both."""
    for path in dict.fromkeys(files):
        yield from (form for form in (path, archive.compressed_path(path)) if form.exists())


def _files_of(folder: Folder, old: PrunableSubmission) -> Iterator[Path]:
    for name in old.spool_files:
        yield folder.spool / name
    for key in old.batch_keys:
        yield folder.results / file_name(key)
        yield folder.results / f"{key}.rejected"
    if old.work_date:
        yield folder.staging / delivered_name(old.workflow, old.work_date)


def _leftover_files(context: Context) -> Iterator[Path]:
    """Files of submissions that were pruned before, and of edits that no request uses."""
    marked = retention.pruned_keys(context.ledger)
    for folder in (context.folder.spool, context.folder.results):
        for path in folder.glob("tb_*.jsonl*"):
            if path.name.split(".")[0].split("-")[0] in marked:
                yield path
    for workflow, work_date in retention.pruned_days(context.ledger):
        yield context.folder.staging / delivered_name(workflow, work_date)
    for name in retention.edit_files(context.ledger):
        yield context.folder.spool / name


def _compressible(
    source: Source, folder: Folder, before_ts: str, removed: set[str]
) -> Iterator[Path]:
    for one in retention.prunable(source, before_ts=before_ts):
        if one.key in removed or source.files.is_shared:
            continue
        bodies = [folder.spool / name for name in one.spool_files]
        results = (folder.results / file_name(key) for key in one.batch_keys)
        yield from (path for path in (*bodies, *results) if path.exists())
