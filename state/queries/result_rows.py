"""Requests with the attempt that counts, for results files and exports, page by page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import LISTED, as_list
from state.db.model_sql import REQUEST_MODEL
from state.db.reader import Source
from state.db.sql_conditions import STATUS
from state.files.results_file import file_name
from state.model.records import Batch, BatchKind, Outcome, RequestStatus, Submission
from state.model.usage import USAGE_COLUMNS, Usage, usage_of
from state.queries.request_detail import FileSpan

_PAGE = 1000


class ResultRow(Struct, frozen=True, kw_only=True):
    """A request with the attempt that counts."""

    request_id: int
    custom_id: str
    tag: str
    status: RequestStatus
    batch_key: str | None
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    model: str | None
    cost_nano: int | None
    result_offset: int | None
    result_length: int | None


class DeliveredRow(NamedTuple):
    """A request and the attempt that counts, as a delivered file reports them."""

    request_id: int
    custom_id: str
    outcome: str | None
    error_type: str | None
    error_message: str | None
    cost_nano: int | None
    batch_key: str | None
    result_offset: int | None
    result_length: int | None


_OF_SUBMISSION = (
    f" FROM requests r {effective_attempt.JOIN} LEFT JOIN batches b ON b.id = a.batch_id"
    " WHERE r.submission_id = ? AND r.id > ?"
)


def delivered_rows(source: Source, submission: Submission) -> Iterator[DeliveredRow]:
    """A row for each request of the submission, in input order."""
    last = 0
    while True:
        page = list(
            source.tuples(
                "SELECT r.id, r.custom_id, a.outcome, a.error_type, a.error_message, a.cost_nano,"
                f" b.key, a.result_offset, a.result_length {_OF_SUBMISSION} ORDER BY r.id LIMIT ?",
                submission.id,
                last,
                _PAGE,
            )
        )
        yield from map(DeliveredRow._make, page)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def results(
    source: Source, submission: Submission, *, batch: Batch | None = None
) -> Iterator[ResultRow]:
    """Every request of the submission, or of one of its batches, in input order."""
    last = 0
    while True:
        page = source.rows(
            f"SELECT r.id, r.custom_id, r.tag, {STATUS} AS status, b.key AS batch_key, a.*"  # noqa: S608 - our own words
            f" {_OF_SUBMISSION}"
            " AND (? IS NULL OR EXISTS (SELECT 1"
            " FROM attempts x WHERE x.batch_id = ? AND x.request_id = r.id))"
            " ORDER BY r.id LIMIT ?",
            submission.id,
            last,
            batch.id if batch else None,
            batch.id if batch else None,
            _PAGE,
        )
        for row in page:
            yield ResultRow(
                request_id=row["id"],
                custom_id=row["custom_id"],
                tag=row["tag"],
                status=RequestStatus(row["status"]),
                batch_key=row["batch_key"],
                outcome=Outcome(row["outcome"]) if row["outcome"] else None,
                error_type=row["error_type"],
                error_message=row["error_message"],
                stop_reason=row["stop_reason"],
                model=row["model"],
                cost_nano=row["cost_nano"],
                result_offset=row["result_offset"],
                result_length=row["result_length"],
            )
        if len(page) < _PAGE:
            return
        last = page[-1]["id"]


_USAGE = ", ".join(f"a.{name}" for name in USAGE_COLUMNS)
_STATUSES = {status.value: status for status in RequestStatus}
_KINDS = {kind.value: kind for kind in BatchKind} | {None: None}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome} | {None: None}


class ExportRow(Struct, frozen=True, kw_only=True):
    """A request with the attempt that counts. Money in nano-dollars."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    status: RequestStatus
    attempts: int
    batch_key: str | None
    remote_id: str | None
    kind: BatchKind | None
    model: str
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    usage: Usage
    cost_nano: int | None
    sync_cost_nano: int | None
    fee_nano: int
    unpriced: str | None
    submitted_ts: str
    ended_ts: str | None
    result: FileSpan | None


def all_request_ids(source: Source) -> Iterator[int]:
    """The id of every request, oldest first."""
    last = 0
    while page := source.rows(
        "SELECT id FROM requests WHERE id > ? ORDER BY id LIMIT ?", last, _PAGE
    ):
        yield from (row[0] for row in page)
        last = page[-1][0]


def export_rows(source: Source, ids: Iterable[int]) -> Iterator[ExportRow]:
    """These requests in this order; unknown ids are left out."""
    left = iter(ids)
    while page := list(islice(left, _PAGE)):
        found = {row.request_id: row for row in _page(source, page)}
        yield from (found[number] for number in page if number in found)


_EXPORTED = (
    f"SELECT r.id, r.custom_id, r.tag, s.workflow, {STATUS},"  # noqa: S608 - our own words
    " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id),"
    " b.key, b.remote_id, b.kind,"
    f" coalesce(a.model, {REQUEST_MODEL}),"
    " a.outcome, a.error_type, a.error_message, a.stop_reason, a.cost_nano, a.sync_cost_nano,"
    f" coalesce(a.fee_nano, 0), a.unpriced, s.created_ts, b.ended_ts, a.result_offset,"
    f" a.result_length, {_USAGE}"
    " FROM requests r JOIN submissions s ON s.id = r.submission_id"
    f" {effective_attempt.JOIN}"
    " LEFT JOIN batches b ON b.id = a.batch_id"
    f" WHERE r.id IN {LISTED}"
)


def _page(source: Source, ids: Sequence[int]) -> Iterator[ExportRow]:
    for row in list(source.tuples(_EXPORTED, as_list(ids))):
        number, custom_id, tag, workflow, status, attempts, key, remote_id, kind = row[:9]
        model, outcome, error_type, message, stop_reason, cost, sync_cost, fee, why = row[9:18]
        submitted, ended, offset, length = row[18:22]
        yield ExportRow(
            request_id=number,
            custom_id=custom_id,
            tag=tag,
            workflow=workflow,
            status=_STATUSES[status],
            attempts=attempts,
            batch_key=key,
            remote_id=remote_id,
            kind=_KINDS[kind],
            model=model,
            outcome=_OUTCOMES[outcome],
            error_type=error_type,
            error_message=message,
            stop_reason=stop_reason,
            usage=usage_of(row[22:]),
            cost_nano=cost,
            sync_cost_nano=sync_cost,
            fee_nano=fee,
            unpriced=why,
            submitted_ts=submitted,
            ended_ts=ended,
            result=None
            if offset is None or length is None
            else FileSpan(file_name(key), offset, length),
        )
