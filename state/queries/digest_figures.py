"""Counts since a time, for the hourly digest."""

from msgspec import Struct

from state.batches.external_calls import RECORDED
from state.db.reader import Source


class DigestCounts(Struct, frozen=True, kw_only=True):
    """Counts from one time on. `failed` requests brought no answer, canceled ones left out.

    One that failed again when it was replayed is still one.
    """

    ended: int
    answered: int
    failed: int
    fallbacks: int
    cost_nano: int
    savings_nano: int
    duplicate_nano: int
    unpriced: int


def counts_since(source: Source, since_ts: str) -> DigestCounts:
    """What ended, came in and failed since then."""
    row = source.rows(
        "SELECT (SELECT count(*) FROM batches WHERE ended_ts >= ? AND status = 'ended') AS ended,"
        " (SELECT count(*) FROM batches WHERE kind = 'sync' AND lane <> ?"
        " AND status <> 'not_sent' AND created_ts >= ?) AS fallbacks,"
        " coalesce(sum(succeeded), 0) AS answered, coalesce(sum(cost_nano), 0) AS cost_nano,"
        " coalesce(sum(sync_cost_nano - cost_nano), 0) AS savings_nano,"
        " coalesce(sum(duplicate_nano), 0) AS duplicate_nano,"
        " coalesce(sum(unpriced), 0) AS unpriced FROM batches WHERE collected_ts >= ?",
        *(since_ts, RECORDED, since_ts, since_ts),
    )[0]
    # The batches come first, and only those with a failure: by themselves the attempts are many.
    (failed,) = source.rows(
        "SELECT count(DISTINCT a.request_id) FROM batches b CROSS JOIN attempts a"
        " ON a.batch_id = b.id WHERE (b.collected_ts >= ? OR (b.status = 'rejected'"
        " AND b.ended_ts >= ?)) AND b.succeeded < b.request_count"
        " AND a.outcome IN ('errored', 'expired', 'missing')",
        since_ts,
        since_ts,
    )[0]
    return DigestCounts(**dict(row), failed=failed)
