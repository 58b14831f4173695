"""Makes a submission of a spool file that the ledger does not know."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from core.batches.engine_context import Context
from core.config import titan_file
from core.recovery import recovered_files
from core.requests.payload import workflow_and_date
from core.requests.supported_schema import schema_of_line
from core.text import unreadable_lines
from state.batches import submissions
from state.batches.output_schemas import SchemaColumns
from state.files import archive, fallback_file, spool_lane
from state.model.errors import AlreadySubmitted, LedgerError
from state.model.records import DEFAULT_LANE, NewSubmission, SpooledRequest, Submission
from state.model.timestamps import to_text
from state.recovery import fallback_import, recovered_batches
from state.recovery import rebuild as rebuilding
from state.recovery.recovered_batches import RecoveredBatch


class EmptySpoolError(LedgerError):
    """The spool file has no request."""


def tag_of(batches: Iterable[RecoveredBatch]) -> str | None:
    """The tag in the mirror; None where no line names it, or an earlier rebuild lost it."""
    return next(
        (batch.tag for batch in batches if batch.tag not in ("", batch.submission_key)), None
    )


def add_submission(
    context: Context,
    spool: Path,
    batches: list[RecoveredBatch],
    tag: str | None,
    warnings: list[str],
    *,
    is_unsent: bool,
) -> Submission:
    """Add the requests of the spool file as a submission; `tag` is that in other files.

    `batches` are those that the mirror and the results name. `is_unsent`: none of its requests was
    sent. `warnings` gets what could not be used.

    Raises AlreadySubmitted also for what a submit that was killed before its end left, where the
    job submitted the same requests again.
    """
    seen: dict[str, str | None] = {}
    unreadable: list[int] = []
    with submissions.staged(context.ledger, _spooled(spool, batches, seen, unreadable)) as staged:
        if unreadable:
            what_helps = recovered_files.RESTORE_SPOOL if batches else "Submit them again."
            warnings.append(
                f"spool/{spool.name}: {unreadable_lines(unreadable)}. These requests are"
                f" not in the ledger. {what_helps}"
            )
        if not seen:
            raise EmptySpoolError("it has no request.")
        pending_tag = None if is_unsent else _pending_tag(context, spool, batches)
        same = None
        if is_unsent or pending_tag:
            same = submissions.with_same_requests(context.ledger, staged)
        # A tag that is lost is that of the next call with these requests, which sends nothing.
        if same is not None and (is_unsent or same.tag in (pending_tag, same.key)):
            if is_unsent and tag in (None, same.tag):
                # A job may have this key: two ledgers, of which one was lost, gave it one each.
                file = fallback_file.find(context.folder, spool.stem)
                unwritten = recovered_files.unwritten(file, warnings) if file else 0
                fallback_import.add_known(context.ledger, same, {spool.stem: unwritten})
            raise AlreadySubmitted(f"{same.key} has the same requests, and these were not sent.")
        tag = tag_of(batches) or tag
        new = _new_submission(context, spool, batches, tag, *next(iter(seen.items())))
        submission = rebuilding.store(context.ledger, staged, new)
    imported = recovered_files.fallback_imports(context.folder, batches, warnings)
    left = fallback_file.find(context.folder, spool.stem) if batches else None
    if left is not None and left.key not in imported:
        # The answers in that file are those in the results.
        imported[left.key] = recovered_files.unwritten(left, warnings)
    fallback_import.add_known(context.ledger, submission, imported)
    if tag is None:
        warnings.append(
            f"The tag of {spool.stem} is in no file; its key is used as the tag. When the job"
            f" submits the same requests again, {spool.stem} gets the job's tag, and nothing is"
            " sent."
        )
    return submission


def _pending_tag(context: Context, spool: Path, batches: list[RecoveredBatch]) -> str | None:
    """The tag of the fallback file that has the requests of this spool file, in no known batch.

    Where another submission has them too, a killed import left it: had it been committed, they
    would be one submission.
    """
    file = None if batches else fallback_file.find(context.folder, spool.stem)
    try:
        return file.header().tag if file else None
    except LedgerError:
        return None


def _new_submission(
    context: Context,
    spool: Path,
    batches: list[RecoveredBatch],
    tag: str | None,
    first: str,
    model: str | None,
) -> NewSubmission:
    """`first` is the custom_id of the first request, and `model` its model."""
    tag = tag or spool.stem
    mirrored = [batch for batch in batches if batch.tag]
    since = mirrored[0].submitted_ts if mirrored else _written(context, spool)
    workflow, date = workflow_and_date(first, tag, since[:10])
    return NewSubmission(
        key=spool.stem,
        tag=tag,
        workflow=mirrored[0].workflow if mirrored else workflow,
        model=model or "unknown",
        work_date=date,
        created_by=context.ledger.actor,
        created_ts=since,
        spool_file=spool.name,
        lane=_lane(context, spool, batches, workflow),
    )


def _lane(context: Context, spool: Path, batches: list[RecoveredBatch], workflow: str) -> str:
    """That of its batches; where none is known, that in the spool file, else that of its job."""
    known = (batch.lane for batch in batches if batch.lane not in (None, "recorded"))
    if lane := next(filter(None, known), None) or spool_lane.lane_of(spool):
        return lane
    job = titan_file.read(context.folder).job_named([workflow])
    return job.lane if job else DEFAULT_LANE


def _written(context: Context, spool: Path) -> str:
    """When the file was written, but not in the future."""
    path = spool if spool.exists() else archive.compressed_path(spool)
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return to_text(min(written, context.clock.now()))


def _spooled(
    spool: Path,
    batches: list[RecoveredBatch],
    seen: dict[str, str | None],
    unreadable: list[int],
) -> Iterator[SpooledRequest]:
    schemas = SchemaColumns()
    for custom_id, line, offset, model in recovered_batches.bodies(spool, unreadable):
        if custom_id in seen:
            continue
        seen[custom_id] = model
        schema_sha256, schema = schemas.of(schema_of_line(line))
        yield SpooledRequest(
            custom_id=custom_id,
            offset=offset,
            length=len(line),
            sha256=hashlib.sha256(line).digest(),
            part=0,
            model=model,
            betas=recovered_files.betas_at(batches, offset),
            schema_sha256=schema_sha256,
            schema=schema,
        )
