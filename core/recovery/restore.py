"""Restores a backup: what it does not know is imported from the files beside it, as in a rebuild.

What may have been sent since the backup is not sent again: it becomes `missing`, and
where a newer batch has no results on disk its workflow is paused.
"""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from core.batches.engine_context import Context
from core.recovery import recovered_files
from core.recovery.rebuild import (
    AT_THE_API,
    NEVER_SENT,
    RebuildSummary,
    add_recovered_batch,
    collect_from_disk,
    known_first,
    rebuild,
)
from state.batches import batch_planning, sending
from state.db.reader import Reader, Source
from state.files import archive
from state.files.folder import Folder
from state.files.results_file import file_name
from state.model.errors import LedgerError
from state.model.records import Batch, BatchStatus, CollectionStatus, Submission
from state.operations import pauses
from state.queries import batch_list
from state.recovery import fallback_import, recovered_batches, restored
from state.recovery import rebuild as rebuilding
from state.recovery.recovered_batches import RecoveredBatch

_UNSENT = (BatchStatus.QUEUED, BatchStatus.SENDING, BatchStatus.UNCONFIRMED)


class Losses(Struct, frozen=True, kw_only=True):
    """What is known now, or found in the files, and not in the backup."""

    submissions: list[str]
    batches: list[str]
    requests: int
    # Why the present ledger could not be compared.
    unreadable: str = ""


class RestoreSummary(RebuildSummary, kw_only=True):
    """What was imported from the files, and what is held back."""

    commands_ended: int = 0
    paused: list[str] = field(default_factory=list[str])


def losses(folder: Folder, backup: Source) -> Losses:
    """Compare the present ledger and the files with the backup."""
    known, unreadable = (set[str](), set[str](), 0), ""
    try:
        with Reader(folder.ledger) as reader:
            known = restored.contents(reader)
    except LedgerError as error:
        unreadable = str(error)
    there = restored.contents(backup)
    spools = {path.stem for path in recovered_batches.spools(folder)}
    mirrored = {
        found.key for several in recovered_files.read(folder).batches.values() for found in several
    }
    return Losses(
        submissions=sorted((known[0] | spools) - there[0]),
        batches=sorted((known[1] | mirrored) - there[1]),
        requests=max(0, known[2] - there[2]),
        unreadable=unreadable,
    )


def import_newer_files(context: Context, backup: Path) -> RestoreSummary:
    """Bring the ledger of the context, a copy of the backup, up to the files in its folder."""
    reason = f"Restored from {backup.name}: it may have run since that backup was made."
    done = RestoreSummary(commands_ended=restored.end_commands(context.ledger, reason))
    known = recovered_files.read(context.folder).batches
    for submission in restored.submissions(context.ledger):
        mirrored = known.get(submission.key)
        _import_newer_batches(context, submission, mirrored, reason, done)
        imported = recovered_files.fallback_imports(context.folder, mirrored or (), done.warnings)
        fallback_import.add_known(context.ledger, submission, imported)
    imported = rebuild(context)
    for name in imported.__struct_fields__:
        setattr(done, name, getattr(done, name) + getattr(imported, name))
    restored.identify_orphans(context.ledger)
    restored.rewrite_mirrors(context.ledger)
    return done


def _import_newer_batches(
    context: Context,
    submission: Submission,
    mirrored: list[RecoveredBatch] | None,
    reason: str,
    done: RestoreSummary,
) -> None:
    """One submission of the backup, with its batches in the files."""
    ledger, batches = context.ledger, batch_list.batches_of(context.ledger, submission)
    last, newer = _known_and_newer(batches, mirrored or ())
    taken = {found.key for found in newer}
    changed = [
        batch
        for batch in batches
        if batch.status in _UNSENT and getattr(last.get(batch.key), "status", None) != batch.status
    ]
    rebuilding.record_charges(ledger, batches, last)
    done.collected += _collect_known(context, [one for one in batches if one.key not in taken])
    if mirrored is not None and not changed and not newer:
        _let_recovery_decide(context, batches)
        return
    _let_recovery_decide(context, [batch for batch in batches if batch not in changed])
    for batch in changed:
        found = last.get(batch.key)
        results = recovered_files.results_of(context.folder, found) if found else None
        # The file of a synchronous run that was killed early has no answer.
        is_here = results is not None and bool(recovered_files.custom_ids(results))
        if found is None or not restored.bind(ledger, batch, found, is_here=is_here):
            # Its nonce identifies it where the API has it all the same.
            restored.mark_maybe_sent(ledger, batch)
            if found is None or found.status not in _UNSENT:
                sending.mark_not_sent(ledger, batch, reason)
        elif results is not None:
            done.collected += collect_from_disk(
                context, batch, results, ended_ts=found.completed_ts
            )
    before = done.collected + done.open
    for found in known_first(context, newer):
        add_recovered_batch(context, submission, found, done)
    sent = [found for found in newer if found.status not in NEVER_SENT and not found.is_lost]
    if done.collected + done.open - before < len(sent):
        done.paused += pauses.pause(ledger, [submission.workflow], who=ledger.actor, reason=reason)
    nonce = ledger.new_id(batch_planning.NONCE_LENGTH)
    done.missing += rebuilding.mark_lost(ledger, submission.id, submission.key, nonce, reason)
    rebuilding.record_left_charges(ledger, submission, mirrored or ())
    rebuilding.finish_if_settled(ledger, submission)


def _known_and_newer(
    batches: list[Batch], mirrored: Iterable[RecoveredBatch]
) -> tuple[dict[str, RecoveredBatch], list[RecoveredBatch]]:
    """The lines of these batches by key, and those of others.

    Another ledger, which came of the same backup, may have given a key to a batch of its own, or,
    where the API made two batches of one create, to the other one.
    """
    there = {batch.key: batch for batch in batches}
    known, newer = dict[str, RecoveredBatch](), list[RecoveredBatch]()
    for found in mirrored:
        batch = there.get(found.key)
        if batch is not None and _is_of(batch, found):
            known[found.key] = found
        else:
            newer.append(found)
    return known, newer


def _is_of(batch: Batch, found: RecoveredBatch) -> bool:
    """Whether that line is of this batch: the same create, and the same batch at the API."""
    is_same_create = found.nonce in (None, batch.nonce)
    return is_same_create and (
        None in (found.remote_id, batch.remote_id) or found.remote_id == batch.remote_id
    )


def _collect_known(context: Context, batches: list[Batch]) -> int:
    """Collect what the backup has as running, and the files as complete."""
    count = 0
    for batch in batches:
        results = context.folder.results / file_name(batch.key)
        is_running = batch.collection in (CollectionStatus.NOT_READY, CollectionStatus.PENDING)
        if is_running and batch.status in AT_THE_API and archive.exists(results):
            count += collect_from_disk(context, batch, results, ended_ts=batch.ended_ts)
    return count


def _let_recovery_decide(context: Context, batches: list[Batch]) -> None:
    """The mirror may be behind: the nonce proves at the API whether a queued batch was sent."""
    for batch in batches:
        if batch.status == BatchStatus.QUEUED:
            restored.mark_maybe_sent(context.ledger, batch)
