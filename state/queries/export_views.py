"""Read models of an export: requests with the attempt that counts, as many as there are."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from msgspec import Struct

from state.db.reader import Source
from state.files.results_file import file_name
from state.model.records import Kind, Outcome, RequestStatus, Usage
from state.operations import counting_attempt
from state.queries.details import Place

_PAGE = 1000
_TOKENS = (
    *("input_tokens", "output_tokens", "cache_write_5m_tokens"),
    *("cache_write_1h_tokens", "cache_read_tokens"),
)
_AS_THEY_ARE = (
    *("request_id", "custom_id", "tag", "workflow", "batch_key", "remote_id", "attempts", "model"),
    *("error_type", "error_message", "stop_reason", "cost_nano", "sync_cost_nano"),
    *("submitted_ts", "ended_ts"),
)


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
    kind: Kind | None
    model: str
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    usage: Usage
    cost_nano: int | None
    sync_cost_nano: int | None
    submitted_ts: str
    ended_ts: str | None
    result: Place | None


def all_ids(source: Source) -> Iterator[int]:
    """The id of every request, in the order in which they came."""
    last = 0
    while page := source.rows(
        "SELECT id FROM requests WHERE id > ? ORDER BY id LIMIT ?", last, _PAGE
    ):
        yield from (row[0] for row in page)
        last = page[-1][0]


def requests(source: Source, ids: Iterable[int]) -> Iterator[ExportRow]:
    """These requests in this order, a page at a time; an id of nothing is left out."""
    left = iter(ids)
    while page := list(islice(left, _PAGE)):
        found = {row.request_id: row for row in _page(source, page)}
        yield from (found[number] for number in page if number in found)


def _page(source: Source, ids: Sequence[int]) -> Iterator[ExportRow]:
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, s.workflow, r.status,"  # noqa: S608 - our own words
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts,"
        " b.key AS batch_key, b.remote_id, b.kind, coalesce(a.model, b.model, s.model) AS model,"
        " a.outcome, a.error_type, a.error_message, a.stop_reason, a.cost_nano, a.sync_cost_nano,"
        " s.created_ts AS submitted_ts, b.ended_ts, a.result_offset, a.result_length,"
        " a.input_tokens, a.output_tokens, a.cache_write_5m_tokens, a.cache_write_1h_tokens,"
        " a.cache_read_tokens"
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        f" {counting_attempt.JOIN}"
        " LEFT JOIN batches b ON b.id = a.batch_id"
        " WHERE r.id IN (SELECT value FROM json_each(?))",
        json.dumps(list(ids)),
    )
    for row in rows:
        placed = row["result_offset"] is not None and row["result_length"] is not None
        yield ExportRow(
            **{name: row[name] for name in _AS_THEY_ARE},
            status=RequestStatus(row["status"]),
            kind=Kind(row["kind"]) if row["kind"] else None,
            outcome=Outcome(row["outcome"]) if row["outcome"] else None,
            usage=Usage(**{name: row[name] or 0 for name in _TOKENS}),
            result=Place(file_name(row["batch_key"]), row["result_offset"], row["result_length"])
            if placed
            else None,
        )
