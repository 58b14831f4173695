"""Rebuilds a ledger from the files beside a damaged one: mirror, spool and results.

Batches with results on disk are collected from them, also without a line in the mirror; batches at
the API continue where they were. A submission without a batch in a complete mirror was not sent,
and is queued. Other requests in no known batch become `missing`: they may have run, so they are not
sent unasked. Files that cannot be used are named in warnings.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from core.batches.collect import collect
from core.batches.engine_context import Context
from core.recovery import recovered_files
from core.recovery.recovered_files import RecoveredFiles
from core.recovery.recovered_submission import EmptySpoolError, add_submission, tag_of
from core.text import pluralize
from state.batches import batch_planning, request_ranges
from state.files import archive, fallback_file
from state.files.answers_file import answers_file
from state.files.folder import open_private
from state.files.folder import replace as replace_file
from state.model.errors import AlreadySubmitted
from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    Submission,
)
from state.recovery import rebuild as rebuilding
from state.recovery import recovered_batches
from state.recovery.recovered_batches import RecoveredBatch

AT_THE_API = (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING, BatchStatus.ENDED)
_MAY_BE_SENT = (BatchStatus.QUEUED, BatchStatus.SENDING, BatchStatus.UNCONFIRMED)
NEVER_SENT = (BatchStatus.NOT_SENT, BatchStatus.REJECTED)
_LOST_REASON = (
    "Its record was lost with the damaged ledger. The request may have run; only a replay sends it"
    " again."
)


class RebuildSummary(Struct, kw_only=True):
    """Contents of the new ledger."""

    submissions: int = 0
    collected: int = 0
    open: int = 0
    queued: int = 0
    missing: int = 0
    skipped: int = 0
    # Files and lines that could not be used, each with what to do.
    warnings: list[str] = field(default_factory=list[str])


def rebuild(context: Context) -> RebuildSummary:
    """Add to the ledger of the context what the files in its folder hold beyond it."""
    files = recovered_files.read(context.folder)
    done = RebuildSummary(warnings=list(files.warnings))
    spools = recovered_batches.spools(context.folder)
    there = rebuilding.submission_keys(context.ledger)
    new = [spool for spool in spools if spool.stem not in there]
    tags: dict[str, str] = {}
    if any(not tag_of(files.batches.get(spool.stem, ())) for spool in new):
        tags = recovered_batches.tags(context.folder)
    for spool in _in_order(context, new, files):
        batches = files.batches.get(spool.stem, [])
        try:
            submission = add_submission(
                context,
                spool,
                batches,
                tags.get(spool.stem),
                done.warnings,
                is_unsent=files.names_all_sent and not batches,
            )
        except (AlreadySubmitted, EmptySpoolError) as error:
            done.skipped += 1
            done.warnings.append(f"spool/{spool.name} was skipped: {error}")
            continue
        done.submissions += 1
        if files.names_all_sent and not batches:
            done.queued += submission.request_count
            continue
        done.warnings += _incomplete_spool(context, submission, batches)
        for found in known_first(context, batches):
            add_recovered_batch(context, submission, found, done)
        done.missing += rebuilding.mark_lost(
            context.ledger,
            submission.id,
            submission.key,
            context.ledger.new_id(batch_planning.NONCE_LENGTH),
            _LOST_REASON,
        )
        rebuilding.record_left_charges(context.ledger, submission, batches)
        rebuilding.finish_if_settled(context.ledger, submission)
    known = there | {spool.stem for spool in spools}
    done.warnings += _without_requests(context, files, known)
    done.warnings += _without_edits(context, files)
    return done


def _in_order(context: Context, spools: list[Path], files: RecoveredFiles) -> list[Path]:
    """Those that were not sent come last: one may be what a killed process left of another.

    Without what a poll left that was killed while it imported a fallback file: the next poll
    imports that file, which has all of it.
    """
    kept = {file.key for file in fallback_file.pending(context.folder)}
    if files.names_all_sent:
        named = {
            key for key, batches in files.batches.items() if any(found.tag for found in batches)
        }
        spools = [spool for spool in spools if spool.stem in named or spool.stem not in kept]
    return sorted(spools, key=lambda spool: spool.stem not in files.batches)


def _without_requests(context: Context, files: RecoveredFiles, known: set[str]) -> Iterator[str]:
    """Batches whose request bodies are missing, although they are open or have results."""
    for key in files.batches.keys() - known:
        for batch in files.batches[key]:
            results = recovered_files.results_of(context.folder, batch)
            if results is not None:
                yield (
                    f"{results.parent.name}/{results.name} is not in the ledger: the file with its"
                    f" requests, spool/{key}.jsonl, is missing. {recovered_files.RESTORE_SPOOL}"
                )
            elif batch.remote_id and not batch.completed_ts:
                yield (
                    f"Batch {batch.key} ({batch.tag}) is open at the API, and the file with its"
                    f" requests, spool/{key}.jsonl, is missing. When it has ended:"
                    f" titan-console adopt {batch.remote_id}"
                )


def _incomplete_spool(
    context: Context, submission: Submission, batches: list[RecoveredBatch]
) -> Iterator[str]:
    """The first batch that had requests which the spool file has no more."""
    for found in batches:
        there, count = _requests_there(context, submission, found)
        if there < count:
            yield (
                f"spool/{submission.key}.jsonl has {there:,} of the {count:,} requests of"
                f" {found.key}. {recovered_files.RESTORE_SPOOL}"
            )
            return


def _requests_there(
    context: Context, submission: Submission, found: RecoveredBatch
) -> tuple[int, int]:
    """How many requests of the batch are in the ledger, and how many it had, as its files say."""
    ledger, count = context.ledger, found.request_count
    if found.requests is not None:
        bounds = [offset for run in found.requests for offset in run]
        if rebuilding.has_bodies_at(ledger, submission.id, bounds):
            return count, count
        return len(request_ranges.request_ids(ledger, submission.id, found.requests)), count
    if found.tag:
        return submission.request_count, count
    results = recovered_files.results_of(context.folder, found)
    ids = recovered_files.custom_ids(results) if results else set[str]()
    return len(rebuilding.answered(ledger, submission.id, ids)), len(ids)


def _without_edits(context: Context, files: RecoveredFiles) -> Iterator[str]:
    """What follows from edits that no line of the mirror names, or of which a body is not there."""
    there = recovered_batches.edit_files(context.folder)
    keys = rebuilding.submission_keys(context.ledger)
    batches = [found for key in keys & files.batches.keys() for found in files.batches[key]]
    named = recovered_files.edits_named(batches)
    lost = (there | named.keys()) - rebuilding.edit_files(context.ledger)
    lost |= recovered_files.incomplete_edits(context.folder, named)
    if lost:
        example = min(lost, key=lambda name: (name not in there, name))
        yield (
            f"The edits of {pluralize(len(lost), 'replay')} are lost (spool/{example}"
            f"{' and so on' if len(lost) > 1 else ''}). Where such a replay had replaced an answer,"
            " the earlier answer counts and is delivered again, and the later one is a duplicate"
            " charge; `titan-console show CUSTOM_ID` lists both."
        )


def known_first(context: Context, batches: Iterable[RecoveredBatch]) -> list[RecoveredBatch]:
    """Batches not sent, those whose results or lines name their requests, and those to guess.

    Without those that the ledger has under another key, and each batch of the API once: two
    ledgers, of which one was lost, gave it a key each.
    """

    def order(found: RecoveredBatch) -> int:
        has_results = recovered_files.results_of(context.folder, found) is not None
        if found.status in NEVER_SENT:
            # The results are those of a batch with the same key.
            return 5 if has_results else -1
        # In the order in which they were planned: the newest body of a request counts.
        if has_results:
            return 0
        return 3 if found.requests is None else int(found.is_duplicate)

    known: dict[str, RecoveredBatch] = {}
    for found in sorted(batches, key=order):
        if not (found.remote_id and rebuilding.has_remote_id(context.ledger, found.remote_id)):
            known.setdefault(found.remote_id or f"{found.key} {found.nonce}", found)
    # Last what gets another key, which must not be that of one of the others, nor of its results.
    keys = set[str]()
    own, others = list[RecoveredBatch](), list[RecoveredBatch]()
    for found in known.values():
        is_taken = found.key in keys or rebuilding.has_key(context.ledger, found.key)
        (others if is_taken else own).append(found)
        keys.add(found.key)
    return own + others


def add_recovered_batch(
    context: Context, submission: Submission, found: RecoveredBatch, done: RebuildSummary
) -> None:
    """Add a batch that the ledger does not know, from its results or as the API may have it."""
    results, batch = _own_results(context, found), None
    # The next poll finishes an interrupted run as it does every run whose process died.
    if results is not None and not _is_interrupted(context, found, results):
        batch = _with_results(context, submission, found, results)
    if results is not None and batch is not None:
        if collect_from_disk(context, batch, results, ended_ts=found.completed_ts):
            done.collected += 1
        else:
            done.open += 1
    elif found.remote_id and found.status in AT_THE_API:
        done.open += _open(context, submission, found, BatchStatus.IN_PROGRESS)
    elif found.nonce and found.status in _MAY_BE_SENT:
        done.open += _open(context, submission, found, BatchStatus.SENDING)
    elif found.nonce and found.status in NEVER_SENT and found.requests is not None:
        # Its nonce identifies a batch that the API made of it all the same, and shows late.
        rebuilding.add_batch(
            context.ledger,
            submission.id,
            found,
            request_ranges.request_ids(context.ledger, submission.id, found.requests),
            status=BatchStatus.NOT_SENT,
            nonce=found.nonce,
        )
    elif results is not None:
        done.warnings.append(
            f"{results.parent.name}/{results.name} has no result for any request in"
            f" spool/{submission.key}.jsonl. The file is kept and not imported."
        )


def _own_results(context: Context, found: RecoveredBatch) -> Path | None:
    """Its results on disk, unless they are those of another batch with the same key."""
    if rebuilding.has_results(context.ledger, found.key):
        return None
    return recovered_files.results_of(context.folder, found)


def _is_interrupted(context: Context, found: RecoveredBatch, results: Path) -> bool:
    """Whether it is a synchronous run whose answers were not collected."""
    return (
        (found.kind, found.status) == (BatchKind.SYNC, BatchStatus.SENDING)
        and found.requests is not None
        and results == answers_file(context.folder, found.key)
    )


def _open(
    context: Context, submission: Submission, found: RecoveredBatch, status: BatchStatus
) -> bool:
    if found.requests is None:
        requests = rebuilding.guessed(context.ledger, submission.id, found.request_count)
    else:
        requests = request_ranges.request_ids(context.ledger, submission.id, found.requests)
    if not requests:
        return False
    rebuilding.add_batch(
        context.ledger,
        submission.id,
        found,
        requests,
        status=status,
        nonce=_nonce(context),
        edited_bodies=recovered_files.edits_of(context.folder, found),
        is_guess=found.requests is None,
    )
    return True


def _with_results(
    context: Context, submission: Submission, found: RecoveredBatch, results: Path
) -> Batch | None:
    """Add a batch with the requests that its results name, and those that only its line does.

    The API may have results that the file on disk lost.
    """
    ids = recovered_files.custom_ids(results)
    requests = set(rebuilding.answered(context.ledger, submission.id, ids))
    if found.remote_id and found.requests:
        requests.update(request_ranges.request_ids(context.ledger, submission.id, found.requests))
    if not requests:
        return None
    if not found.submitted_ts:
        found = replace(found, submitted_ts=submission.created_ts)
    return rebuilding.add_batch(
        context.ledger,
        submission.id,
        found,
        sorted(requests),
        status=BatchStatus.IN_PROGRESS,
        nonce=_nonce(context),
        edited_bodies=recovered_files.edits_of(context.folder, found),
    )


def collect_from_disk(
    context: Context, batch: Batch, results: Path, *, ended_ts: str | None
) -> bool:
    """End a batch in progress, and collect it from that file.

    False: the file lacks results, which the next poll downloads from the API.
    """
    answers = answers_file(context.folder, batch.key)
    if results != answers:
        # Results of a synchronous run are collected from here, and then named again.
        _copy(results, answers)
    batch = rebuilding.end(context.ledger, batch, at=ended_ts)
    collected = collect(context, batch, from_disk=True)
    rebuilding.count_outcomes(context.ledger, batch)
    if batch.remote_id is None or (collected and collected.complete):
        return True
    answers.unlink(missing_ok=True)
    rebuilding.collect_at_once(context.ledger, batch)
    return False


def _copy(results: Path, target: Path) -> None:
    """Copy the lines, all or none: what is left of a copy would count as the results."""
    # A poll removes it, as what a killed download leaves.
    unfinished = target.with_name(f"{target.stem.removesuffix('.jsonl')}.jsonl.copy.try")
    try:
        with open_private(unfinished) as copy:
            copy.writelines(archive.lines(results))
            copy.flush()
            os.fsync(copy.fileno())
        replace_file(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _nonce(context: Context) -> str:
    return context.ledger.new_id(batch_planning.NONCE_LENGTH)
