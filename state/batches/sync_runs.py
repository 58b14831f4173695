"""Synchronous runs: batches of kind `sync`, answered at once and at the full price.

Their answers are written to `batch-results/<key>.answers` before the ledger records them.
"""

import os
from collections.abc import Collection, Sequence
from io import BufferedWriter
from pathlib import Path

from state.batches.sending import mark_not_sent, return_to_queue
from state.batches.submissions import add_batch
from state.db.conditions import LISTED, as_list
from state.db.ledger import Ledger, Written
from state.db.rows import to_batch
from state.files.folder import Folder
from state.model.records import Batch, BatchStatus, Counts, Kind, Submission


def answers_file(folder: Folder, batch_key: str) -> Path:
    """The file with the answers of a run, until they are collected."""
    return folder.results / f"{batch_key}.answers"


_QUEUED = (
    "FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
    " WHERE r.submission_id = ? AND r.status = 'queued'"
)
_BETAS = "coalesce(e.betas, r.betas)"


def waiting_betas(
    ledger: Ledger, submission: Submission, *, only: Sequence[int] | None = None
) -> list[str]:
    """The sets of beta headers of the queued requests, or of some by id; each needs its own run."""
    among, parameters = _among(only)
    rows = ledger.rows(
        f"SELECT DISTINCT {_BETAS} {_QUEUED}{among} ORDER BY 1", submission.id, *parameters
    )
    return [str(row[0]) for row in rows]


def begin(
    ledger: Ledger,
    submission: Submission,
    *,
    runner: str,
    betas: str = "",
    only: Sequence[int] | None = None,
) -> Batch | None:
    """A run with the submission's queued requests of these betas, or some by id; None for none."""
    among, parameters = _among(only)
    with ledger.transaction("sync_begin") as written:
        queued = ledger.row(
            f"SELECT 1 {_QUEUED} AND {_BETAS} = ?{among} LIMIT 1",
            submission.id,
            betas,
            *parameters,
        )
        if queued is None:
            return None
        batch_id = add_batch(
            ledger,
            written,
            submission,
            betas=betas,
            overhead=0,
            chosen=f"r.submission_id = ? AND {_BETAS} = ?{among}",
            parameters=(submission.id, betas, *parameters),
            runner=runner,
        )
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])


def _among(only: Sequence[int] | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if only is None else (f" AND r.id IN {LISTED}", (as_list(only),))


def unfinished(ledger: Ledger) -> list[Batch]:
    """Runs that have not ended, whether their process is alive or not."""
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE kind = 'sync' AND status = 'sending' ORDER BY id"
        )
    ]


def reread(ledger: Ledger, batch_id: int) -> Batch:
    """The batch as it is now."""
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])


def submission_key(ledger: Ledger, batch: Batch) -> str:
    """The key of the submission that the run belongs to."""
    row = ledger.row("SELECT key FROM submissions WHERE id = ?", batch.submission_id)
    return str(row["key"]) if row else batch.key


def sync(file: BufferedWriter) -> None:
    """Make what was written durable."""
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
    """End a run: requests with an answer (by custom_id) wait for collection, others are queued.

    Of these others, up to `unwritten` may have been paid for. False when the run had ended before,
    or when none was answered.
    """
    if unwritten:
        _record_unwritten(ledger, batch, unwritten, reason)
    if not counts.total():
        mark_not_sent(ledger, batch, reason)
        return False
    with ledger.transaction("sync_end") as written:
        current = ledger.row(
            "SELECT 1 FROM batches WHERE id = ? AND status = 'sending' AND kind = ?",
            batch.id,
            Kind.SYNC,
        )
        if current is None:
            return False
        _queue_unanswered(ledger, batch, answered)
        end(ledger, written, batch.id, counts)
    return True


def _record_unwritten(ledger: Ledger, batch: Batch, unwritten: int, reason: str) -> None:
    with ledger.transaction("sync_unwritten") as written:
        if ledger.row("SELECT 1 FROM batches WHERE id = ? AND status = 'sending'", batch.id):
            ledger.event(
                written,
                "batch.possible_duplicate_charge",
                batch_id=batch.id,
                requests=unwritten,
                reason=reason,
            )


def _queue_unanswered(ledger: Ledger, batch: Batch, answered: Collection[str]) -> None:
    """Their attempts are deleted: the run never began them."""
    unanswered = (
        "(SELECT a.request_id FROM attempts a JOIN requests r ON r.id = a.request_id"
        " WHERE a.batch_id = ?1 AND r.custom_id NOT IN (SELECT value FROM json_each(?2)))"
    )
    parameters = (batch.id, as_list(answered))
    ledger.execute(
        f"UPDATE requests SET status = 'queued' WHERE status = 'assigned' AND id IN {unanswered}",  # noqa: S608 - our own words
        *parameters,
    )
    ledger.execute(
        f"DELETE FROM attempts WHERE batch_id = ?1 AND request_id IN {unanswered}",  # noqa: S608 - as above
        *parameters,
    )


def end(ledger: Ledger, written: Written, batch_id: int, counts: Counts) -> None:
    """Inside a transaction: end the run, with so many answers of each kind."""
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
        written.at,
        batch_id,
    )
    ledger.event(written, "batch.ended", batch_id=batch_id, requests=counts.total())


def withdraw_queued(ledger: Ledger, submission: Submission, reason: str) -> int:
    """End the submission's batches that were not sent; how many. Their requests stay queued."""
    with ledger.transaction("withdraw") as written:
        rows = ledger.rows(
            "SELECT id FROM batches WHERE submission_id = ? AND status = 'queued'", submission.id
        )
        for (batch_id,) in rows:
            return_to_queue(ledger, written, batch_id, reason, [BatchStatus.QUEUED])
    return len(rows)
