"""New rows for requests of a rejected create: two halves, or all but the invalid request."""

from state.batches.batch_planning import add_batch
from state.batches.sending import (
    close,
    finish_submission,
    record_errors,
    release_attempts,
    return_to_queue,
)
from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger, Transaction
from state.db.rows import to_batch, to_submission
from state.model.records import Batch, BatchStatus


def halve(ledger: Ledger, batch: Batch, reason: str, *, wire_overhead: int) -> list[Batch]:
    """The body was too large: two new batches with half of the requests each."""
    with ledger.transaction("halve") as tx:
        if not return_to_queue(ledger, tx, batch.id, reason, [BatchStatus.SENDING]):
            return []
        ids = _request_ids(ledger, batch)
        middle = len(ids) // 2
        added = [
            _add(ledger, tx, batch, half, wire_overhead) for half in (ids[:middle], ids[middle:])
        ]
    return _reload(ledger, added)


def drop_one(
    ledger: Ledger,
    batch: Batch,
    position: int,
    *,
    error_type: str,
    message: str,
    wire_overhead: int,
) -> list[Batch]:
    """The API named the invalid request: it is errored, and a new batch has the others."""
    with ledger.transaction("drop_one") as tx:
        reason = f"{error_type}: {message}"
        if not close(ledger, tx, batch.id, BatchStatus.REJECTED, reason, [BatchStatus.SENDING]):
            return []
        ids = _request_ids(ledger, batch)
        ledger.execute(
            "UPDATE requests SET status = 'errored' WHERE id = ? AND status = 'assigned'",
            ids[position],
        )
        record_errors(ledger, batch.id, error_type, message, only=ids[position])
        release_attempts(ledger, batch.id, "queued")
        added = [_add(ledger, tx, batch, ids, wire_overhead)]
        ledger.event(
            tx,
            "batch.rejected",
            batch_id=batch.id,
            error_type=error_type,
            message=message,
            request=position,
        )
        finish_submission(ledger, tx, batch.submission_id)
    return _reload(ledger, added)


def _request_ids(ledger: Ledger, batch: Batch) -> list[int]:
    """In the order of the body."""
    return [
        row[0]
        for row in ledger.rows(
            "SELECT request_id FROM attempts WHERE batch_id = ? ORDER BY request_id", batch.id
        )
    ]


def _add(
    ledger: Ledger, tx: Transaction, batch: Batch, ids: list[int], overhead: int
) -> int | None:
    """A new batch with those of the requests that are queued; None when none is."""
    if not ledger.row(
        f"SELECT 1 FROM requests WHERE status = 'queued' AND id IN {LISTED} LIMIT 1",  # noqa: S608 - our own words
        as_list(ids),
    ):
        return None
    submission = ledger.rows("SELECT * FROM submissions WHERE id = ?", batch.submission_id)[0]
    return add_batch(
        ledger,
        tx,
        to_submission(submission),
        ids,
        betas=",".join(batch.betas),
        overhead=overhead,
    )


def _reload(ledger: Ledger, ids: list[int | None]) -> list[Batch]:
    return [
        to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])
        for batch_id in ids
        if batch_id is not None
    ]
