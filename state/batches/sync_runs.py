"""Synchronous runs, stored as batches of kind `sync`: single calls at the full price.

Their answers are written to `batch-results/<key>.answers` before the ledger records them.
"""

import os
from collections.abc import Callable, Collection, Sequence
from io import BufferedWriter

from state.batches.batch_planning import add_batch
from state.batches.sending import mark_not_sent, return_to_queue
from state.db.dialect import LISTED, LISTED_TEXTS, as_list
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.db.rows import to_batch
from state.model.records import Batch, BatchKind, BatchStatus, Counts, Submission

_QUEUED = (
    "FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
    " WHERE r.submission_id = ? AND r.status = 'queued'"
)
_BETAS = "coalesce(e.betas, r.betas)"
_BYTES = "coalesce(e.body_length, r.body_length)"


def waiting(
    ledger: Ledger, submission: Submission, *, only: Sequence[int] | None = None
) -> list[tuple[str, int]]:
    """Return each set of betas of the queued requests, or of `only` these ids, with the most bytes.

    Requests with different beta headers need separate runs.
    """
    among, parameters = _among(only)
    rows = ledger.rows(
        f"SELECT {_BETAS}, max({_BYTES}) {_QUEUED}{among} GROUP BY 1 ORDER BY 1",
        submission.id,
        *parameters,
    )
    return [(str(betas), int(largest)) for betas, largest in rows]


def begin(
    ledger: Ledger,
    submission: Submission,
    *,
    runner: str,
    max_bytes: int,
    betas: str = "",
    only: Sequence[int] | None = None,
    admit: Callable[[Sequence[int]], None] = lambda _ids: None,
) -> Batch | None:
    """Start a run with the queued requests of these betas, or `only` these ids; None if none is.

    Larger bodies than `max_bytes` stay queued.

    `admit` gets their ids inside the transaction, and raises to reject the run.
    """
    among, parameters = _among(only)
    with ledger.transaction("sync_begin") as tx:
        rows = ledger.rows(
            f"SELECT r.id {_QUEUED} AND {_BETAS} = ? AND {_BYTES} <= ?{among}",
            submission.id,
            betas,
            max_bytes,
            *parameters,
        )
        if not rows:
            return None
        ids = [int(row[0]) for row in rows]
        admit(ids)
        batch_id = add_batch(ledger, tx, submission, ids, betas=betas, overhead=0, runner=runner)
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])


def _among(only: Sequence[int] | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if only is None else (f" AND r.id IN {LISTED}", (as_list(only),))


def unfinished(ledger: Ledger) -> list[Batch]:
    """Return the runs that have not ended, whether their process is alive or not."""
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE kind = 'sync' AND status = 'sending' ORDER BY id"
        )
    ]


def uncollected(source: Source) -> list[Batch]:
    """Return the runs whose answers, or some of them, are only in a file of their host."""
    return [
        to_batch(row)
        for row in source.rows(
            "SELECT * FROM batches WHERE kind = 'sync'"
            " AND (status = 'sending' OR collection = 'pending') ORDER BY id"
        )
    ]


def submission_key(ledger: Ledger, batch: Batch) -> str:
    """Return the key of the run's submission."""
    row = ledger.row("SELECT key FROM submissions WHERE id = ?", batch.submission_id)
    return str(row["key"]) if row else batch.key


def fsync(file: BufferedWriter) -> None:
    """Fsync the file."""
    os.fsync(file.fileno())


def record_end(
    ledger: Ledger,
    batch: Batch,
    answered: Collection[str],
    counts: Counts,
    reason: str,
    *,
    unwritten: int = 0,
) -> bool:
    """End a run: requests `answered` (by custom_id) can be collected, the others are queued.

    Up to `unwritten` of the others may have been billed. False if the run had ended before, or no
    request was answered.
    """
    if unwritten:
        _record_unwritten(ledger, batch, unwritten, reason)
    if not counts.total():
        mark_not_sent(ledger, batch, reason)
        return False
    with ledger.transaction("sync_end") as tx:
        current = ledger.row(
            "SELECT 1 FROM batches WHERE id = ? AND status = 'sending' AND kind = ?",
            batch.id,
            BatchKind.SYNC,
        )
        if current is None:
            return False
        _queue_unanswered(ledger, batch, answered)
        end(ledger, tx, batch.id, counts)
    return True


def _record_unwritten(ledger: Ledger, batch: Batch, unwritten: int, reason: str) -> None:
    with ledger.transaction("sync_unwritten") as tx:
        if ledger.row("SELECT 1 FROM batches WHERE id = ? AND status = 'sending'", batch.id):
            ledger.event(
                tx,
                "batch.possible_duplicate_charge",
                batch_id=batch.id,
                requests=unwritten,
                reason=reason,
            )


def _queue_unanswered(ledger: Ledger, batch: Batch, answered: Collection[str]) -> None:
    """Queue the requests without a result; delete their attempts, which are not part of the run."""
    unanswered = (
        "(SELECT a.request_id FROM attempts a JOIN requests r ON r.id = a.request_id"  # noqa: S608 - our own words
        f" WHERE a.batch_id = ? AND r.custom_id NOT IN {LISTED_TEXTS})"
    )
    parameters = (batch.id, as_list(answered))
    ledger.execute(
        f"UPDATE requests SET status = 'queued' WHERE status = 'assigned' AND id IN {unanswered}",  # noqa: S608 - our own words
        *parameters,
    )
    ledger.execute(
        f"DELETE FROM attempts WHERE batch_id = ? AND request_id IN {unanswered}",  # noqa: S608 - as above
        batch.id,
        *parameters,
    )


def end(ledger: Ledger, tx: Transaction, batch_id: int, counts: Counts) -> None:
    """Inside a transaction: end the run, with the number of results by outcome."""
    ledger.execute(
        "UPDATE batches SET status = 'in_progress', request_count = ?, processing = 0,"
        " succeeded = ?, errored = ?, accepted_ts = sent_ts WHERE id = ?",
        counts.total(),
        counts.succeeded,
        counts.errored,
        batch_id,
    )
    ledger.execute(
        "UPDATE batches SET status = 'ended', collection = 'pending', ended_ts = ? WHERE id = ?",
        tx.at,
        batch_id,
    )
    ledger.event(tx, "batch.ended", batch_id=batch_id, requests=counts.total())


def withdraw_queued(ledger: Ledger, submission: Submission, reason: str) -> int:
    """End the submission's queued batches, and return their number; their requests stay queued."""
    with ledger.transaction("withdraw") as tx:
        rows = ledger.rows(
            "SELECT id FROM batches WHERE submission_id = ? AND status = 'queued'", submission.id
        )
        for (batch_id,) in rows:
            return_to_queue(ledger, tx, batch_id, reason, [BatchStatus.QUEUED])
    return len(rows)
