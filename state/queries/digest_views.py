"""Read models for the hourly lines: what ended and failed since, and what is running out."""

from msgspec import Struct

from state.batches.external_calls import RECORDED
from state.db.reader import Source
from state.db.rows import to_batch
from state.model.records import Batch

_OPEN = "(status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending')"


class Since(Struct, frozen=True, kw_only=True):
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


def since(source: Source, since_ts: str) -> Since:
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
    return Since(**dict(row), failed=failed)


def due_before(source: Source, until_ts: str) -> list[Batch]:
    """Open batches with a deadline before then, the nearest first.

    Those whose submission has all its answers from elsewhere are late for nobody.
    """
    rows = source.rows(
        f"SELECT * FROM batches WHERE deadline_ts < ? AND {_OPEN} AND NOT EXISTS"  # noqa: S608 - our own words
        " (SELECT 1 FROM submissions s WHERE s.id = batches.submission_id"
        " AND s.finished_ts IS NOT NULL) ORDER BY deadline_ts, id",
        until_ts,
    )
    return [to_batch(row) for row in rows]


def uncollected_since(source: Source, accepted_before: str) -> list[Batch]:
    """Batches that the API took in before then and whose results are not here yet."""
    rows = source.rows(
        f"SELECT * FROM batches WHERE accepted_ts < ? AND {_OPEN} AND kind = 'batch'"  # noqa: S608 - as above
        " ORDER BY accepted_ts, id",
        accepted_before,
    )
    return [to_batch(row) for row in rows]
