"""Requests with the attempt that counts, for results files and exports, page by page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import LISTED, LISTED_TEXTS, as_list
from state.db.model_sql import REQUEST_MODEL
from state.db.reader import Source
from state.db.sql_conditions import STATUS
from state.model.records import Batch, BatchKind, Outcome, RequestStatus, Submission

_PAGE = 1000
# Bytes of result lines, and rows, in a chunk.
_CHUNK_BYTES, _CHUNK_ROWS = 1 << 20, 500


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
    invalid: str | None
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
    invalid: str | None


class _WithLine(Protocol):
    @property
    def result_length(self) -> int | None: ...


_Row = TypeVar("_Row", bound=_WithLine)


def chunks(rows: Iterable[_Row]) -> Iterator[Sequence[_Row]]:
    """The rows in chunks whose result lines fit into memory together, or of one row."""
    chunk, size = list[_Row](), 0
    for row in rows:
        size += row.result_length or 0
        if chunk and (size > _CHUNK_BYTES or len(chunk) == _CHUNK_ROWS):
            yield chunk
            chunk, size = [], row.result_length or 0
        chunk.append(row)
    if chunk:
        yield chunk


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
                " b.key, a.result_offset, a.result_length, a.invalid"
                f" {_OF_SUBMISSION} ORDER BY r.id LIMIT ?",
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
            " AND (? = 1 OR EXISTS (SELECT 1"
            " FROM attempts x WHERE x.batch_id = ? AND x.request_id = r.id))"
            " ORDER BY r.id LIMIT ?",
            submission.id,
            last,
            int(batch is None),
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
                invalid=row["invalid"],
                model=row["model"],
                cost_nano=row["cost_nano"],
                result_offset=row["result_offset"],
                result_length=row["result_length"],
            )
        if len(page) < _PAGE:
            return
        last = page[-1]["id"]


class AnswerRow(NamedTuple):
    """A request of a table and the attempt that counts. `outcome` is the value of the enum."""

    custom_id: str
    status: RequestStatus
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    #: Whether an operator accepted an answer that needed review.
    reviewed: int | None
    invalid: str | None
    batch_key: str | None
    result_offset: int | None
    result_length: int | None


def answer_rows(source: Source, tag: str, custom_ids: Iterable[str]) -> list[AnswerRow]:
    """The requests of the tag with one of these ids, in no order; unknown ids are left out."""
    found = source.tuples(_OF_IDS, tag, as_list(custom_ids))
    return [AnswerRow(row[0], RequestStatus(row[1]), *row[2:]) for row in list(found)]


def statuses(source: Source, tag: str, custom_ids: Iterable[str]) -> dict[str, RequestStatus]:
    """The status of each of these ids that the tag has."""
    found = source.tuples(
        f"SELECT r.custom_id, {STATUS} FROM requests r"  # noqa: S608 - our own words
        f" WHERE r.tag = ? AND r.custom_id IN {LISTED_TEXTS}",
        tag,
        as_list(custom_ids),
    )
    return {custom_id: RequestStatus(status) for custom_id, status in list(found)}


_OF_IDS = (
    f"SELECT r.custom_id, {STATUS}, a.outcome, a.error_type, a.error_message, a.stop_reason,"  # noqa: S608 - our own words
    " a.reviewed, a.invalid, b.key, a.result_offset, a.result_length"
    f" FROM requests r {effective_attempt.JOIN} LEFT JOIN batches b ON b.id = a.batch_id"
    f" WHERE r.tag = ? AND r.custom_id IN {LISTED_TEXTS}"
)


class ExportRow(NamedTuple):
    """A request with the attempt that counts, its usage and its line. Money in nano-dollars.

    Status, kind and outcome are the values of the enums; tokens are 0 without an attempt.
    """

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    status: RequestStatus
    outcome: Outcome | None
    batch_key: str | None
    remote_id: str | None
    kind: BatchKind | None
    model: str
    attempts: int
    stop_reason: str | None
    invalid: str | None
    error_type: str | None
    error_message: str | None
    input_tokens: int
    output_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_read_tokens: int
    web_searches: int
    inference_geo: str | None
    service_tier: str | None
    speed: str | None
    fee_nano: int
    unpriced: str | None
    cost_nano: int | None
    sync_cost_nano: int | None
    submitted_ts: str
    ended_ts: str | None
    result_offset: int | None
    result_length: int | None


def export_rows(source: Source, ids: Iterable[int] | None = None) -> Iterator[ExportRow]:
    """These requests in this order, without unknown ids; by default all, oldest first."""
    if ids is None:
        yield from _all_export_rows(source)
        return
    left = iter(ids)
    while page := list(islice(left, _PAGE)):
        rows = map(ExportRow._make, list(source.tuples(_LISTED, as_list(page))))
        found = {row.request_id: row for row in rows}
        yield from (found[number] for number in page if number in found)


def _all_export_rows(source: Source) -> Iterator[ExportRow]:
    last = 0
    while page := list(map(ExportRow._make, source.tuples(_NEXT, last, _PAGE))):
        yield from page
        last = page[-1].request_id


# The columns are the fields of `ExportRow`.
_EXPORTED = (
    f"SELECT r.id, r.custom_id, r.tag, s.workflow, {STATUS}, a.outcome,"  # noqa: S608 - our own words
    f" b.key, b.remote_id, b.kind, coalesce(a.model, {REQUEST_MODEL}),"
    " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id),"
    " a.stop_reason, a.invalid, a.error_type, a.error_message, coalesce(a.input_tokens, 0),"
    " coalesce(a.output_tokens, 0), coalesce(a.cache_write_5m_tokens, 0),"
    " coalesce(a.cache_write_1h_tokens, 0), coalesce(a.cache_read_tokens, 0),"
    " coalesce(a.web_searches, 0),"
    " a.inference_geo, a.service_tier, a.speed, coalesce(a.fee_nano, 0), a.unpriced,"
    " a.cost_nano, a.sync_cost_nano, s.created_ts, b.ended_ts, a.result_offset, a.result_length"
    " FROM requests r JOIN submissions s ON s.id = r.submission_id"
    f" {effective_attempt.JOIN}"
    " LEFT JOIN batches b ON b.id = a.batch_id"
    " WHERE r.id "
)
_LISTED = f"{_EXPORTED} IN {LISTED}"
_NEXT = f"{_EXPORTED} > ? ORDER BY r.id LIMIT ?"
