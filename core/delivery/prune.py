"""Retention: deletes the bodies of old submissions, compresses those of younger ones.

The ledger's rows stay: they record the cost, and prevent a repeated submit from paying twice.
`docs/adr/0010` has the reasons.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from core.batches.context import Context
from state.files import archive
from state.files.folder import delivered_name
from state.files.results_file import file_name
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


def prune(
    context: Context, *, before: datetime, compress_before: datetime, dry_run: bool
) -> Pruned:
    """Delete the files of submissions finished before one time, compress those before the other.

    Unsettled and undelivered submissions are never touched, and nothing is while a command is
    open. A dry run does not know how much compression would save. Raises LedgerUnusable.
    """
    done = Pruned(commands_open=not retention.is_idle(context.ledger))
    if done.commands_open:
        return done
    try:
        removed = _remove(context, to_text(before), done, dry_run=dry_run)
        _compress(context, to_text(compress_before), done, removed, dry_run=dry_run)
    except OSError as error:
        raise LedgerUnusable(
            f"Cannot prune: {error}. Completed steps are consistent; run it again."
        ) from error
    if not dry_run:
        retention.shrink(context.ledger)
    return done


def _remove(context: Context, before_ts: str, done: Pruned, *, dry_run: bool) -> set[str]:
    """Mark the submissions first, so that a later call finds files that a kill left."""
    old = retention.prunable(context.ledger, before_ts=before_ts)
    if not dry_run:
        old = retention.mark_pruned(context.ledger, old, before_ts=before_ts)
        context.ledger.crash_point("prune:marked")
    done.submissions = len(old)
    files = [path for one in old for path in _files_of(context, one)]
    if not dry_run:
        files += _leftover_files(context)
    for path in dict.fromkeys(files):
        for form in (path, archive.packed(path)):
            if form.exists():
                done.files_removed += 1
                done.bytes_removed += form.stat().st_size
                if not dry_run:
                    form.unlink()
    return {one.key for one in old}


def _files_of(context: Context, old: PrunableSubmission) -> Iterator[Path]:
    folder = context.folder
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


def _compress(
    context: Context, before_ts: str, done: Pruned, removed: set[str], *, dry_run: bool
) -> None:
    for one in retention.prunable(context.ledger, before_ts=before_ts):
        if one.key in removed:
            continue
        bodies = [context.folder.spool / name for name in one.spool_files]
        for path in [*bodies, *(context.folder.results / file_name(k) for k in one.batch_keys)]:
            if path.exists():
                done.files_compressed += 1
                done.bytes_saved += 0 if dry_run else archive.compress(path)
