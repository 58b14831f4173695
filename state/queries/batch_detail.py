"""One batch in full: its record, its requests, and its tokens and cost by model."""

import json
from array import array
from collections.abc import Mapping, Sequence

from msgspec import Struct

from state.db.dialect import array_of
from state.db.model_sql import ATTEMPT_MODEL
from state.db.reader import Source
from state.db.rows import to_batch
from state.db.sql_conditions import STATUS
from state.db.usage_sql import billed
from state.model.records import Batch, Outcome, RequestStatus
from state.model.usage import TOKENS, Usage
from state.queries.request_list import RequestRow

_SUMMED = (*TOKENS, "web_searches")


class ModelSum(Struct, frozen=True, kw_only=True):
    """Tokens, iterations too, and cost of one batch's answers by one model, in nano-dollars.

    `reasons` says why some are unpriced.
    """

    model: str
    answers: int
    tokens: Usage
    cost_nano: int
    sync_cost_nano: int
    fee_nano: int
    reasons: str
    duplicate: int
    unpriced: int


def batch(source: Source, name: str) -> Batch | None:
    """The batch with that key or remote id."""
    rows = source.rows("SELECT * FROM batches WHERE key = ? OR remote_id = ?", name, name)
    return to_batch(rows[0]) if rows else None


def submitted_by(source: Source, batch: Batch) -> str:
    """The process that submitted its requests, with its host; "" for an adopted batch."""
    rows = source.rows("SELECT created_by FROM submissions WHERE id = ?", batch.submission_id)
    return str(rows[0][0]) if rows else ""


def models_of(source: Source, batch_key: str) -> Mapping[str, int]:
    """How many requests of the batch name each model, most first."""
    rows = source.rows(
        "SELECT coalesce(e.model, r.model, b.model), count(*) FROM batches b"
        " JOIN attempts a ON a.batch_id = b.id JOIN requests r ON r.id = a.request_id"
        " LEFT JOIN edits e ON e.id = a.edit_id WHERE b.key = ? GROUP BY 1 ORDER BY 2 DESC, 1",
        batch_key,
    )
    return {str(row[0]): int(row[1]) for row in rows}


def requests_of(source: Source, name: str) -> Sequence[int]:
    """The ids of the batch's requests: those that failed in it first, each in the order sent."""
    # Two queries: both read a range of the primary key, and one would sort the whole batch.
    failed = _sent_in(source, name, " AND outcome IN ('errored', 'expired', 'missing')")
    every = _sent_in(source, name)
    if not failed:
        return every
    first = frozenset(failed)
    return failed + array("q", (id_ for id_ in every if id_ not in first))


def _sent_in(source: Source, name: str, condition: str = "") -> "array[int]":
    rows = source.rows(
        "SELECT request_id FROM attempts WHERE batch_id ="  # noqa: S608 - our own words
        f" (SELECT id FROM batches WHERE key = ? OR remote_id = ?){condition}"
        " ORDER BY request_id",
        name,
        name,
    )
    return array("q", (row[0] for row in rows))


def rows_in(source: Source, name: str, ids: Sequence[int]) -> dict[int, RequestRow]:
    """These requests by id, with their outcome in this batch."""
    marks = ",".join(["?"] * len(ids))
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, b.workflow,"  # noqa: S608 - question marks
        f" {STATUS} AS status, r.status = 'assigned' AS is_in_batch,"
        f" {ATTEMPT_MODEL} AS model,"
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts,"
        " b.key AS batch_key, a.outcome, a.error_type, a.error_message, a.stop_reason, a.invalid,"
        " a.input_tokens, a.output_tokens, a.cost_nano, b.created_ts, b.ended_ts"
        " FROM attempts a JOIN requests r ON r.id = a.request_id"
        " JOIN batches b ON b.id = a.batch_id WHERE (b.key = ? OR b.remote_id = ?)"
        f" AND a.request_id IN ({marks})",
        name,
        name,
        *ids,
    )
    return {
        row["request_id"]: RequestRow(
            **{
                **dict(row),
                "status": RequestStatus(row["status"]),
                "is_in_batch": bool(row["is_in_batch"]),
                "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
            }  # pyright: ignore[reportArgumentType]
        )
        for row in rows
    }


def sums_of(source: Source, batch_key: str) -> list[ModelSum]:
    """Tokens and cost of the batch's answers, by model."""
    sums = ", ".join(f"sum({billed(name)}) AS {name}" for name in TOKENS)
    rows = source.rows(
        f"SELECT {ATTEMPT_MODEL} AS model, count(*) AS answers,"  # noqa: S608 - our own words
        " coalesce(sum(a.cost_nano), 0) AS cost_nano,"
        " coalesce(sum(a.sync_cost_nano), 0) AS sync_cost_nano, sum(a.fee_nano) AS fee_nano,"
        f" sum(a.duplicate) AS duplicate, {array_of('DISTINCT a.unpriced')} AS reasons,"
        f" count(*) FILTER (WHERE a.cost_nano IS NULL) AS unpriced,"
        f" sum(a.web_searches) AS web_searches, {sums}"
        " FROM batches b JOIN attempts a ON a.batch_id = b.id"
        " WHERE b.key = ? AND a.outcome = 'succeeded' GROUP BY 1 ORDER BY 1",
        batch_key,
    )
    return [
        ModelSum(
            model=row["model"],
            answers=row["answers"],
            tokens=Usage(**{name: row[name] for name in _SUMMED}),
            cost_nano=row["cost_nano"],
            sync_cost_nano=row["sync_cost_nano"],
            fee_nano=row["fee_nano"],
            reasons=_reasons(row["reasons"]),
            duplicate=row["duplicate"],
            unpriced=row["unpriced"],
        )
        for row in rows
    ]


def _reasons(listed: str) -> str:
    found: list[str | None] = json.loads(listed)
    return ",".join(sorted(reason for reason in found if reason))
