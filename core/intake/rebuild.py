"""Rebuilds a ledger from the files beside a damaged one: mirror, spool and results.

Batches with results on disk are collected from them; batches at the API continue where they were.
Requests in no known batch become `missing`: they may have run, so they are not sent unasked.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from core.api.result_schema import BadLineError, decode
from core.batches.collect import collect
from core.batches.context import Context
from core.requests.payload import workflow_and_date
from state.batches import submissions, sync_runs
from state.files import archive
from state.files.folder import open_private
from state.files.results_file import file_name
from state.model.errors import AlreadySubmitted, LedgerError
from state.model.records import BatchStatus, NewSubmission, SpooledRequest, Submission
from state.recovery import rebuild as rebuilding
from state.recovery import recovered_batches
from state.recovery.recovered_batches import RecoveredBatch

_AT_THE_API = (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING, BatchStatus.ENDED)
_MAY_BE_SENT = (BatchStatus.QUEUED, BatchStatus.SENDING, BatchStatus.UNCONFIRMED)
_LOST_REASON = "Lost with the damaged ledger. It may have run; only a replay sends it again."


class RebuildSummary(Struct, kw_only=True):
    """Contents of the new ledger."""

    submissions: int = 0
    collected: int = 0
    open: int = 0
    missing: int = 0
    skipped: int = 0


def rebuild(context: Context) -> RebuildSummary:
    """Add to the ledger of the context what the files in its folder hold beyond it."""
    known = recovered_batches.batches(context.folder)
    there = rebuilding.submission_keys(context.ledger)
    done = RebuildSummary()
    for spool in recovered_batches.spools(context.folder):
        if spool.stem in there:
            continue
        batches = known.get(spool.stem, [])
        try:
            submission = _submission(context, spool, batches)
        except (AlreadySubmitted, _EmptyError):
            done.skipped += 1
            continue
        done.submissions += 1
        for found in batches:
            add_recovered_batch(context, submission, found, done)
        done.missing += rebuilding.mark_lost(
            context.ledger,
            submission.id,
            submission.key,
            context.ledger.new_id(submissions.NONCE_LENGTH),
            _LOST_REASON,
        )
        rebuilding.finish_if_settled(context.ledger, submission)
    return done


class _EmptyError(LedgerError):
    """The spool file has no request."""


def _submission(context: Context, spool: Path, batches: list[RecoveredBatch]) -> Submission:
    seen: dict[str, str | None] = {}
    with submissions.staged(context.ledger, _spooled(spool, seen)) as staged:
        if not seen:
            raise _EmptyError(f"{spool} has no request.")
        new = _new_submission(context, spool, batches, *next(iter(seen.items())))
        return rebuilding.store(context.ledger, staged, new)


def _new_submission(
    context: Context, spool: Path, batches: list[RecoveredBatch], first: str, model: str | None
) -> NewSubmission:
    """`first` is the custom_id of the first request, and `model` its model."""
    tag = batches[0].tag if batches else spool.stem
    since = batches[0].submitted_ts if batches else context.ledger.now_text()
    workflow, date = workflow_and_date(first, tag, since[:10])
    return NewSubmission(
        key=spool.stem,
        tag=tag,
        workflow=batches[0].workflow if batches else workflow,
        model=model or "unknown",
        work_date=date,
        created_by=context.ledger.actor,
        created_ts=since,
        spool_file=spool.name,
    )


def _spooled(spool: Path, seen: dict[str, str | None]) -> Iterator[SpooledRequest]:
    for custom_id, line, offset, model in recovered_batches.bodies(spool):
        if custom_id in seen:
            continue
        seen[custom_id] = model
        yield SpooledRequest(
            custom_id=custom_id,
            offset=offset,
            length=len(line),
            sha256=hashlib.sha256(line).digest(),
            part=0,
        )


def add_recovered_batch(
    context: Context, submission: Submission, found: RecoveredBatch, done: RebuildSummary
) -> None:
    """Add a batch that the ledger does not know, from its results or as the API may have it."""
    answers = context.folder.results / file_name(found.batch_id)
    if archive.exists(answers):
        done.collected += _collected(context, submission, found, answers)
    elif found.remote_id and found.status in _AT_THE_API:
        done.open += _open(context, submission, found, BatchStatus.IN_PROGRESS)
    elif found.nonce and found.status in _MAY_BE_SENT:
        done.open += _open(context, submission, found, BatchStatus.SENDING)


def _open(
    context: Context, submission: Submission, found: RecoveredBatch, status: BatchStatus
) -> bool:
    requests = rebuilding.requests_of(context.ledger, submission.id, None, found.request_count)
    if not requests:
        return False
    rebuilding.add_batch(
        context.ledger, submission.id, found, requests, status=status, nonce=_nonce(context)
    )
    return True


def _collected(
    context: Context, submission: Submission, found: RecoveredBatch, answers: Path
) -> bool:
    ids = _ids(answers)
    requests = rebuilding.requests_of(context.ledger, submission.id, ids, len(ids))
    if not requests:
        return False
    # Results of a synchronous run are collected from here, and then named again.
    with open_private(sync_runs.answers_file(context.folder, found.batch_id)) as copy:
        copy.writelines(archive.lines(answers))
    batch = rebuilding.add_batch(
        context.ledger,
        submission.id,
        found,
        requests,
        status=BatchStatus.IN_PROGRESS,
        nonce=_nonce(context),
    )
    batch = rebuilding.end(context.ledger, batch, at=found.completed_ts)
    collect(context, batch)
    rebuilding.count_outcomes(context.ledger, batch)
    return True


def _ids(answers: Path) -> set[str]:
    found: set[str] = set()
    for line in archive.lines(answers):
        try:
            found.add(decode(line.rstrip(b"\n")).custom_id)
        except BadLineError:
            continue
    return found


def _nonce(context: Context) -> str:
    return context.ledger.new_id(submissions.NONCE_LENGTH)
