"""Volumes, turnarounds and synchronous runs of each workflow, for the KPIs."""

from typing import NamedTuple

from msgspec import Struct

from state.batches.recorded_calls import RECORDED
from state.db.dialect import THEN_JOIN
from state.db.reader import Source
from state.model.records import BatchKind
from state.model.timestamps import from_text


class Volume(Struct, frozen=True, kw_only=True):
    """One workflow, mode and UTC day. `tokens` is input plus output; money in nano-dollars."""

    day: str
    workflow: str
    kind: BatchKind
    tokens: int
    requests: int
    errored: int
    lost: int
    savings_nano: int
    cost_nano: int
    fee_nano: int
    unpriced: int


def volumes(source: Source, *, since_day: str) -> list[Volume]:
    """Volumes since that UTC day, by day, workflow and mode."""
    rows = source.rows(
        "SELECT day, workflow, kind, sum(input_tokens + output_tokens + cache_write_5m_tokens"
        " + cache_write_1h_tokens + cache_read_tokens) AS tokens, sum(requests) AS requests,"
        " sum(errored) AS errored, sum(expired + missing) AS lost,"
        " sum(sync_cost_nano - cost_nano) AS savings_nano, sum(cost_nano) AS cost_nano,"
        " sum(fee_nano) AS fee_nano, sum(unpriced) AS unpriced"
        " FROM daily_totals WHERE day >= ? GROUP BY day, workflow, kind"
        " ORDER BY day, workflow, kind",
        since_day,
    )
    return [Volume(**{**dict(row), "kind": BatchKind(row["kind"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def last_days(source: Source) -> dict[str, str]:
    """The last UTC day on which each workflow had a result."""
    rows = source.rows("SELECT workflow, max(day) FROM daily_totals GROUP BY workflow")
    return {row[0]: row[1] for row in rows}


class Turnaround(NamedTuple):
    """Seconds from submission to results of one batch, and the UTC day of its results."""

    day: str
    workflow: str
    seconds: float


class SyncRuns(NamedTuple):
    """Number of synchronous runs of one workflow on one UTC day."""

    day: str
    workflow: str
    number: int


class Answered(NamedTuple):
    """Number of requests without a result in their batch that another attempt answered."""

    day: str
    workflow: str
    number: int


def answered_elsewhere(source: Source, *, since_day: str) -> list[Answered]:
    """Requests of batches without results (written off, or no longer kept) that have an answer.

    By workflow and the UTC day on which their batch ended, which counts them as lost.
    """
    rows = source.rows(
        # Batches first, which are few: the planner would read all requests.
        "SELECT substr(b.collected_ts, 1, 10), b.workflow, count(*) FROM batches b"  # noqa: S608 - our own words
        f" {THEN_JOIN} attempts a ON a.batch_id = b.id"
        f" {THEN_JOIN} requests r ON r.id = a.request_id"
        " WHERE b.collection IN ('deleted', 'results_expired') AND b.collected_ts >= ?"
        " AND a.outcome = 'missing' AND r.status = 'succeeded'"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        since_day,
    )
    return [Answered(*row) for row in rows]


def turnarounds(source: Source, *, since_day: str) -> list[Turnaround]:
    """The turnaround of each batch collected since that day.

    It starts with the submission; for a replay, whose first request has an earlier outcome,
    with the creation of the batch.
    """
    rows = source.rows(
        "SELECT b.workflow, b.collected_ts, CASE WHEN EXISTS (SELECT 1 FROM attempts e"
        " WHERE e.request_id = (SELECT min(request_id) FROM attempts WHERE batch_id = b.id)"
        " AND e.batch_id < b.id AND e.outcome IS NOT NULL)"
        " THEN b.created_ts ELSE coalesce(s.created_ts, b.created_ts) END AS started_ts"
        " FROM batches b LEFT JOIN submissions s ON s.id = b.submission_id"
        " WHERE b.kind = 'batch' AND b.collection = 'collected' AND b.collected_ts >= ?"
        " ORDER BY b.collected_ts, b.id",
        since_day,
    )
    return [
        Turnaround(
            row["collected_ts"][:10],
            row["workflow"],
            max(
                0.0,
                (from_text(row["collected_ts"]) - from_text(row["started_ts"])).total_seconds(),
            ),
        )
        for row in rows
    ]


def sync_runs(source: Source, *, since_ts: str) -> list[SyncRuns]:
    """Synchronous runs that the engine made since then, by day and workflow."""
    rows = source.rows(
        "SELECT substr(created_ts, 1, 10), workflow, count(*) FROM batches WHERE kind = 'sync'"
        " AND lane <> ? AND status <> 'not_sent' AND created_ts >= ?"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        RECORDED,
        since_ts,
    )
    return [SyncRuns(*row) for row in rows]
