"""A request with its attempts and the commands that edited it, as `show --json` prints it."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from core.money.pricing import usd
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import BatchKind, BatchStatus, Outcome, RequestStatus
from state.model.usage import Usage
from state.queries import request_detail
from state.queries.request_detail import AttemptRecord, EditOrigin, FileSpan, RequestRecord

Origins = Mapping[int, EditOrigin | None]


def origins(source: Source, request: RequestRecord) -> Origins:
    """The command behind each edit that its attempts were sent with, by edit id."""
    ids = {a.edit_id for a in request.attempts if a.edit_id is not None}
    return {edit_id: request_detail.origin_of(source, edit_id) for edit_id in ids}


class SpanReport(Struct, frozen=True, kw_only=True):
    """Bytes of a file: its path, the first byte, and their number."""

    file: str
    offset: int
    length: int


class EditReport(Struct, frozen=True, kw_only=True):
    """The command that edited a body. `who` is the old name of `actor`."""

    command: str
    actor: str
    who: str
    reason: str


class AttemptReport(Struct, frozen=True, kw_only=True):
    """One attempt. `body` and `result` say where the request and its result line are stored."""

    batch_id: str
    remote_id: str | None
    kind: BatchKind
    batch_status: BatchStatus
    sent_ts: str | None
    ended_ts: str | None
    edit: EditReport | None
    outcome: Outcome | None
    settled: bool
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    invalid: str | None
    model: str | None
    usage: Usage
    cost_usd: float | None
    sync_cost_usd: float | None
    fee_usd: float | None
    unpriced: str | None
    duplicate: bool
    body: SpanReport
    result: SpanReport | None


class RequestReport(Struct, frozen=True, kw_only=True):
    """One request with its attempts, oldest first. `submission` is the old `submission_id`."""

    custom_id: str
    tag: str
    workflow: str
    job: str | None
    submission_id: str
    submission: str
    status: RequestStatus
    submitted_ts: str
    submitted_by: str
    deadline_ts: str | None
    body: SpanReport
    attempts: list[AttemptReport]


def report(request: RequestRecord, origins: Origins, folder: Folder) -> RequestReport:
    """The request as JSON."""
    return RequestReport(
        custom_id=request.custom_id,
        tag=request.tag,
        workflow=request.workflow,
        job=request.job,
        submission_id=request.submission_key,
        submission=request.submission_key,
        status=request.status,
        submitted_ts=request.created_ts,
        submitted_by=request.created_by,
        deadline_ts=request.deadline_ts,
        body=_span(folder.spool, request.body),
        attempts=[_attempt(a, origins, folder) for a in request.attempts],
    )


def _attempt(attempt: AttemptRecord, origins: Origins, folder: Folder) -> AttemptReport:
    return AttemptReport(
        batch_id=attempt.batch_key,
        remote_id=attempt.remote_id,
        kind=attempt.kind,
        batch_status=attempt.batch_status,
        sent_ts=attempt.sent_ts,
        ended_ts=attempt.ended_ts,
        edit=_edit(origin_of(attempt, origins)),
        outcome=attempt.outcome,
        settled=attempt.is_settling,
        error_type=attempt.error_type,
        error_message=attempt.error_message,
        stop_reason=attempt.stop_reason,
        invalid=attempt.invalid,
        model=attempt.model,
        usage=attempt.usage,
        cost_usd=usd(attempt.cost_nano),
        sync_cost_usd=usd(attempt.sync_cost_nano),
        fee_usd=usd(attempt.fee_nano),
        unpriced=attempt.unpriced,
        duplicate=attempt.is_duplicate,
        body=_span(folder.spool, attempt.body),
        result=_span(folder.results, attempt.result) if attempt.result else None,
    )


def _edit(origin: EditOrigin | None) -> EditReport | None:
    if origin is None:
        return None
    return EditReport(
        command=origin.command, actor=origin.who, who=origin.who, reason=origin.reason
    )


def origin_of(attempt: AttemptRecord, origins: Origins) -> EditOrigin | None:
    """The command behind the edit that the attempt was sent with."""
    return None if attempt.edit_id is None else origins.get(attempt.edit_id)


def _span(folder: Path, span: FileSpan) -> SpanReport:
    return SpanReport(file=str(folder / span.file), offset=span.offset, length=span.length)
