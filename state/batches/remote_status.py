"""Records the status and counts of a batch that the API reported, and failed polls."""

from datetime import datetime

from msgspec import Struct

from state.batches.sending import RemoteState
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.rows import to_batch
from state.db.sql_conditions import is_open
from state.model.records import DEFAULT_LANE, Batch, BatchStatus
from state.model.timestamps import to_text


def lanes_in_use(source: Source) -> list[str]:
    """Return the lanes of titan.toml that batches or submissions name, the default one first."""
    rows = source.rows(
        "SELECT DISTINCT lane FROM batches WHERE lane <> 'anthropic' AND lane <> 'recorded'"
        " UNION SELECT lane FROM submissions WHERE lane <> 'anthropic' ORDER BY 1"
    )
    return [DEFAULT_LANE, *(row[0] for row in rows)]


def unfinished_by_lane(source: Source) -> dict[str, int]:
    """Return the number of open batches of each lane but the default one."""
    rows = source.rows(
        f"SELECT lane, count(*) FROM batches WHERE {is_open()}"  # noqa: S608 - our own words
        " AND lane <> 'anthropic' AND lane <> 'recorded' GROUP BY lane ORDER BY lane"
    )
    return {row[0]: row[1] for row in rows}


def open_at_api(ledger: Ledger, lane: str | None = None) -> list[Batch]:
    """Return the batches, of the lane or of all, that the API is processing, oldest first."""
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE status IN ('in_progress', 'canceling')"
            " AND lane = coalesce(?, lane) ORDER BY id",
            lane,
        )
    ]


def has_ended_since(ledger: Ledger, since_ts: str, lane: str = DEFAULT_LANE) -> bool:
    """Return whether a batch of the lane has ended at the API since `since_ts`."""
    found = ledger.row(
        "SELECT 1 FROM batches WHERE ended_ts > ? AND status = 'ended' AND kind = 'batch'"
        " AND lane = ? LIMIT 1",
        since_ts,
        lane,
    )
    return found is not None


def to_collect(ledger: Ledger) -> list[Batch]:
    """Return the ended batches with results to download, oldest first."""
    return [
        to_batch(row)
        for row in ledger.rows("SELECT * FROM batches WHERE collection = 'pending' ORDER BY id")
    ]


class AccountInUse(Struct, frozen=True, kw_only=True):
    """Where batches were sent: the server and the account on it, as far as they are known."""

    server: str | None
    account: str | None
    batches: int


def accounts_in_use(
    source: Source, *, since_ts: str, lane: str = DEFAULT_LANE
) -> list[AccountInUse]:
    """Return each account with open batches of the lane created since `since_ts`."""
    return [
        AccountInUse(server=row[0], account=row[1], batches=row[2])
        for row in source.rows(
            "SELECT server, account, count(*) FROM batches WHERE created_ts > ? AND lane = ?"  # noqa: S608 - our own words
            f" AND coalesce(server, account) IS NOT NULL AND {is_open()}"
            " GROUP BY server, account ORDER BY server NULLS FIRST, account NULLS FIRST",
            since_ts,
            lane,
        )
    ]


def record_status(ledger: Ledger, batch: Batch, remote: RemoteState) -> Batch:
    """Store what the API reported. The results of a batch that has ended become `pending`."""
    if _is_unchanged(batch, remote):
        return batch
    ended = remote.status == BatchStatus.ENDED
    with ledger.transaction("record_status") as tx:
        changed = ledger.execute(
            # A list that was requested before a cancel does not undo the cancel.
            "UPDATE batches SET status = CASE WHEN status = 'canceling' AND ? = 'in_progress'"
            " THEN status ELSE ? END, processing = ?, succeeded = ?, errored = ?,"
            " canceled = ?, expired = ?, expires_ts = ?, ended_ts = ?,"
            " cancel_ts = coalesce(?, cancel_ts),"
            " collection = CASE WHEN ? AND collection = 'not_ready' THEN 'pending'"
            " ELSE collection END, last_error = NULL, failures = 0, next_poll_ts = NULL,"
            " not_found_ts = NULL, stuck_ts = CASE WHEN ? THEN NULL ELSE stuck_ts END"
            " WHERE id = ? AND status IN ('in_progress', 'canceling')",
            remote.status,
            remote.status,
            remote.counts.processing,
            remote.counts.succeeded,
            remote.counts.errored,
            remote.counts.canceled,
            remote.counts.expired,
            remote.expires_ts,
            (remote.ended_ts or tx.at) if ended else None,
            remote.cancel_ts,
            ended,
            ended,
            batch.id,
        )
        is_old = batch.status == BatchStatus.CANCELING and remote.status == BatchStatus.IN_PROGRESS
        if changed and remote.status != batch.status and not is_old:
            ledger.event(tx, f"batch.{remote.status}", batch_id=batch.id)
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch.id)[0])


def _is_unchanged(batch: Batch, remote: RemoteState) -> bool:
    return (
        batch.status == remote.status
        and batch.counts == remote.counts
        and batch.cancel_ts == remote.cancel_ts
        and batch.expires_ts == remote.expires_ts
        and batch.last_error is None
        and batch.not_found_ts is None
        and batch.failures == 0
    )


def record_poll_failure(
    ledger: Ledger,
    batch: Batch,
    reason: str,
    *,
    next_poll: datetime,
    is_not_found: bool = False,
) -> None:
    """Count and store a failed poll of the batch. The status that the API reported stays.

    `is_not_found`: the API answered 404; the time of the first such answer is kept.
    """
    with ledger.transaction("record_poll_failure") as tx:
        ledger.execute(
            "UPDATE batches SET last_error = ?, failures = failures + 1, next_poll_ts = ?,"
            " not_found_ts = CASE WHEN NOT ? OR not_found_ts < ? THEN not_found_ts ELSE ? END"
            # Of an unconfirmed create, next_poll_ts is when its recovery wait ends.
            " WHERE id = ? AND status IN ('in_progress', 'canceling', 'ended')"
            " AND collection IN ('not_ready', 'pending')",
            reason,
            to_text(next_poll),
            is_not_found,
            tx.at,
            tx.at,
            batch.id,
        )
        ledger.event(tx, "batch.poll_failed", batch_id=batch.id, reason=reason)


def failures_of(source: Source, batch_id: int) -> tuple[int, int]:
    """How many requests of a collected batch failed, and how many of these are missing.

    Not those that succeeded otherwise, nor canceled ones that returned to the queue.
    """
    row = source.rows(
        "SELECT count(*), count(*) FILTER (WHERE a.outcome = 'missing') FROM attempts a"
        " JOIN requests r ON r.id = a.request_id WHERE a.batch_id = ? AND a.outcome <> 'succeeded'"
        " AND r.status <> 'succeeded'"
        " AND NOT (a.outcome = 'canceled' AND r.status IN ('queued', 'assigned'))",
        batch_id,
    )[0]
    return int(row[0]), int(row[1])


def reload_batch(source: Source, batch_id: int) -> Batch:
    """Return the current row of the batch."""
    return to_batch(source.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])
