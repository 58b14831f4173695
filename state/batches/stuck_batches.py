"""Batches that the API no longer has or does not end: noted, written off, and reopened."""

from collections.abc import Iterable
from datetime import datetime

from state.batches import mirror_positions, totals
from state.db.dialect import LISTED, as_list, text_in
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.rows import to_batch
from state.files.folder import COST_LOG
from state.model.records import DEFAULT_LANE, Batch
from state.model.timestamps import to_text

_AT_THE_API = "status IN ('in_progress', 'canceling')"


def mark_stuck(ledger: Ledger, batch: Batch, reason: str) -> None:
    """Record since when the batch is stuck; a later time than now is replaced."""
    with ledger.transaction("stuck") as tx:
        if ledger.execute(
            "UPDATE batches SET stuck_ts = ? WHERE id = ?"  # noqa: S608 - our own words
            f" AND (stuck_ts IS NULL OR stuck_ts > ?) AND {_AT_THE_API}",
            tx.at,
            batch.id,
            tx.at,
        ):
            ledger.event(tx, "batch.stuck", batch_id=batch.id, reason=reason)


def clear_stuck(ledger: Ledger, batch: Batch) -> None:
    """The API has the batch after all, and its time to end is not over."""
    with ledger.transaction("stuck") as tx:
        if ledger.execute(
            "UPDATE batches SET stuck_ts = NULL WHERE id = ? AND stuck_ts IS NOT NULL", batch.id
        ):
            ledger.event(tx, "batch.found_again", batch_id=batch.id)


def write_off(ledger: Ledger, batch: Batch, reason: str) -> bool:
    """End the batch here; the next collection ends its requests. False where it has ended."""
    with ledger.transaction("write_off") as tx:
        changed = ledger.execute(
            "UPDATE batches SET status = 'ended', ended_ts = ?, collection = 'pending',"  # noqa: S608 - our own words
            f" last_error = ?, failures = 0, next_poll_ts = NULL WHERE id = ? AND {_AT_THE_API}",
            tx.at,
            reason,
            batch.id,
        )
        if changed:
            ledger.event(tx, "batch.deleted", batch_id=batch.id, reason=reason)
    return bool(changed)


def write_off_reason(source: Source, batch: Batch) -> str | None:
    """Why the batch was written off; None where it was not, or has returned since."""
    rows = source.rows(
        f"SELECT kind, {text_in('detail', 'reason')} FROM events WHERE batch_id = ?"  # noqa: S608 - our own words
        " AND kind IN ('batch.deleted', 'batch.returned') ORDER BY id DESC LIMIT 1",
        batch.id,
    )
    return str(rows[0][1]) if rows and rows[0][0] == "batch.deleted" else None


def awaited(source: Source) -> list[Batch]:
    """Stuck batches that are still waited for, oldest first."""
    return _batches(
        source,
        f"SELECT * FROM batches WHERE stuck_ts IS NOT NULL AND {_AT_THE_API} ORDER BY id",  # noqa: S608 - our own words
    )


def with_missing_requests(source: Source) -> list[Batch]:
    """Stuck batches that were written off and whose requests are still missing, oldest first."""
    return _batches(
        source,
        "SELECT * FROM batches WHERE stuck_ts IS NOT NULL AND collection = 'deleted' AND EXISTS"
        " (SELECT 1 FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.batch_id ="
        " batches.id AND a.outcome = 'missing' AND r.status = 'missing') ORDER BY id",
    )


def written_off(source: Source, *, accepted_after_ts: str, lane: str = DEFAULT_LANE) -> list[Batch]:
    """The lane's written-off batches whose results the API may still have, oldest first."""
    return _batches(
        source,
        "SELECT * FROM batches WHERE collection = 'deleted' AND remote_id IS NOT NULL"
        " AND accepted_ts > ? AND lane = ? ORDER BY id",
        accepted_after_ts,
        lane,
    )


def reopen(ledger: Ledger, batch: Batch) -> bool:
    """A batch that was written off has ended at the API: its results are collected after all."""
    with ledger.transaction("reopen") as tx:
        changed = ledger.execute(
            "UPDATE batches SET collection = 'pending', collected_ts = NULL, stuck_ts = NULL,"
            " not_found_ts = NULL, failures = 0, next_poll_ts = NULL"
            " WHERE id = ? AND collection = 'deleted'",
            batch.id,
        )
        if changed:
            # What it counted when it was written off is counted again when it is collected.
            totals.subtract(ledger, batch)
            ledger.execute(
                "UPDATE attempts SET outcome = NULL, error_message = NULL"
                " WHERE batch_id = ? AND outcome = 'missing'",
                batch.id,
            )
            if batch.counts.succeeded:
                # The next poll writes the cost log anew, without the line of what it had.
                mirror_positions.forget(ledger, COST_LOG)
            ledger.event(tx, "batch.returned", batch_id=batch.id)
    return bool(changed)


def schedule_check(ledger: Ledger, batches: Iterable[Batch], at: datetime) -> None:
    """Record when the API's list is searched for these next."""
    with ledger.transaction("stuck"):
        ledger.execute(
            f"UPDATE batches SET next_poll_ts = ? WHERE id IN {LISTED}",  # noqa: S608 - our own words
            to_text(at),
            as_list(batch.id for batch in batches),
        )


def _batches(source: Source, sql: str, *parameters: str) -> list[Batch]:
    return [to_batch(row) for row in source.rows(sql, *parameters)]
