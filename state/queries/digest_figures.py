"""Counts since a time, for the hourly digest."""

from msgspec import Struct

from state.batches.recorded_calls import RECORDED
from state.db.dialect import THEN_JOIN
from state.db.reader import Source


class DigestCounts(Struct, frozen=True, kw_only=True):
    """Counts since a time. `failed` requests have no answer; canceled ones are left out.

    A request that failed again on replay counts once.
    """

    ended: int
    answered: int
    failed: int
    sync_runs: int
    cost_nano: int
    savings_nano: int
    duplicate_nano: int
    unpriced: int


def counts_since(source: Source, since_ts: str) -> DigestCounts:
    """Batches ended, answers received and requests failed since then."""
    row = source.rows(
        "SELECT (SELECT count(*) FROM batches WHERE ended_ts >= ? AND status = 'ended') AS ended,"
        " (SELECT count(*) FROM batches WHERE kind = 'sync' AND lane <> ?"
        " AND status <> 'not_sent' AND created_ts >= ?) AS sync_runs,"
        " coalesce(sum(succeeded), 0) AS answered, coalesce(sum(cost_nano), 0) AS cost_nano,"
        " coalesce(sum(sync_cost_nano - cost_nano), 0) AS savings_nano,"
        " coalesce(sum(duplicate_nano), 0) AS duplicate_nano,"
        " coalesce(sum(unpriced), 0) AS unpriced FROM batches WHERE collected_ts >= ?",
        *(since_ts, RECORDED, since_ts, since_ts),
    )[0]
    # Batches with a failure first, since attempts are many.
    (failed,) = source.rows(
        f"SELECT count(DISTINCT a.request_id) FROM batches b {THEN_JOIN} attempts a"  # noqa: S608 - our own words
        " ON a.batch_id = b.id WHERE (b.collected_ts >= ? OR (b.status = 'rejected'"
        " AND b.ended_ts >= ?)) AND b.succeeded < b.request_count"
        " AND a.outcome IN ('errored', 'expired', 'missing')",
        since_ts,
        since_ts,
    )[0]
    return DigestCounts(**dict(row), failed=failed)
