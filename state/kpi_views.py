"""Read models for the KPIs: volumes, turnarounds and fallbacks of each workflow."""

from dataclasses import dataclass

from state.reader import Source
from state.records import Kind
from state.timestamps import from_text

# The lane of synchronous runs that jobs made on their own and told us of.
RECORDED = "recorded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """What one workflow did in one way. Tokens in and out; money in nano-dollars."""

    workflow: str
    kind: Kind
    tokens: int
    requests: int
    errored: int
    lost: int
    savings_nano: int
    unpriced: int


def volumes(source: Source, *, since_day: str) -> list[Volume]:
    """From that UTC day on, by workflow and kind."""
    rows = source.rows(
        "SELECT workflow, kind, sum(input_tokens + output_tokens + cache_write_5m_tokens"
        " + cache_write_1h_tokens + cache_read_tokens) AS tokens, sum(requests) AS requests,"
        " sum(errored) AS errored, sum(expired + missing) AS lost,"
        " sum(sync_cost_nano - cost_nano) AS savings_nano, sum(unpriced) AS unpriced"
        " FROM daily_totals WHERE day >= ? GROUP BY workflow, kind ORDER BY workflow, kind",
        since_day,
    )
    return [Volume(**{**dict(row), "kind": Kind(row["kind"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def turnarounds(source: Source, *, since_day: str) -> list[tuple[str, float]]:
    """Of each batch collected since: its workflow, and seconds from order to results.

    The order is the submission; of a replay, whose first request has an earlier answer, it is
    the making of the batch.
    """
    rows = source.rows(
        "SELECT b.workflow, b.collected_ts, CASE WHEN EXISTS (SELECT 1 FROM attempts e"
        " WHERE e.request_id = (SELECT min(request_id) FROM attempts WHERE batch_id = b.id)"
        " AND e.batch_id < b.id AND e.outcome IS NOT NULL)"
        " THEN b.created_ts ELSE coalesce(s.created_ts, b.created_ts) END AS ordered_ts"
        " FROM batches b LEFT JOIN submissions s ON s.id = b.submission_id"
        " WHERE b.kind = 'batch' AND b.collection = 'collected' AND b.collected_ts >= ?",
        since_day,
    )
    return [
        (
            row["workflow"],
            max(
                0.0,
                (from_text(row["collected_ts"]) - from_text(row["ordered_ts"])).total_seconds(),
            ),
        )
        for row in rows
    ]


def fallbacks(source: Source, *, since_ts: str) -> dict[str, int]:
    """How many synchronous runs the engine itself made since then, by workflow."""
    rows = source.rows(
        "SELECT workflow, count(*) FROM batches WHERE kind = 'sync' AND lane <> ?"
        " AND status <> 'released' AND created_ts >= ? GROUP BY workflow",
        RECORDED,
        since_ts,
    )
    return {row[0]: row[1] for row in rows}
