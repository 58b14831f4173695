"""Synchronous runs: batches of kind `sync`, whose answers come at once and at the full price.

The answers lie in `batch-results/<key>.answers` before the ledger hears of them.
"""

import os
from collections.abc import Iterable, Sequence
from io import BufferedWriter
from pathlib import Path

from state.batches.sending import mark_not_sent
from state.batches.submissions import add_batch
from state.db.ledger import Ledger, Written
from state.db.rows import to_batch
from state.files.folder import Folder
from state.model.records import Batch, Counts, Kind, Submission


def answers_file(folder: Folder, batch_key: str) -> Path:
    """Where the answers of a run lie until they are collected."""
    return folder.results / f"{batch_key}.answers"


_WAITING = (
    "FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
    " WHERE r.submission_id = ? AND r.status = 'queued'"
)
_BETAS = "coalesce(e.betas, r.betas)"
_AMONG = " AND r.id IN (SELECT id FROM chosen)"


def waiting_betas(
    ledger: Ledger, submission: Submission, *, only: Sequence[int] | None = None
) -> list[str]:
    """The sets of beta headers of what waits; each takes a run of its own."""
    if only is not None:
        choose(ledger, only)
    among = "" if only is None else _AMONG
    rows = ledger.rows(
        f"SELECT DISTINCT {_BETAS} {_WAITING}{among} ORDER BY 1",
        submission.id,
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
    """A run for what of the submission waits with these betas, or for some of it; None for nothing.

    `only` names requests by their ids.
    """
    among = ""
    if only is not None:
        choose(ledger, only)
        among = _AMONG
    with ledger.transaction("inline") as written:
        waiting = ledger.row(
            f"SELECT 1 {_WAITING} AND {_BETAS} = ?{among} LIMIT 1",
            submission.id,
            betas,
        )
        if waiting is None:
            return None
        batch_id = add_batch(
            ledger,
            written,
            submission,
            betas=betas,
            overhead=0,
            chosen=f"r.submission_id = ? AND {_BETAS} = ?{among}",
            parameters=(submission.id, betas),
            runner=runner,
        )
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])


def choose(ledger: Ledger, request_ids: Iterable[int]) -> None:
    """Lay down which requests are meant, for a statement on them."""
    ledger.execute("DROP TABLE IF EXISTS temp.chosen")
    ledger.execute("CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)")
    ledger.execute("BEGIN")
    try:
        ledger.fill("INSERT INTO chosen VALUES (?)", ((i,) for i in request_ids))
    finally:
        ledger.execute("COMMIT")


def unfinished(ledger: Ledger) -> list[Batch]:
    """Runs that have not ended, whether their process lives or not."""
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
    """Make what was written last."""
    os.fsync(file.fileno())


def stage_answered(ledger: Ledger, custom_ids: Iterable[str]) -> None:
    """Lay down which requests were answered, for `ended` and for a rescue."""
    ledger.execute("DROP TABLE IF EXISTS temp.answered")
    ledger.execute("CREATE TEMP TABLE answered (custom_id TEXT PRIMARY KEY) WITHOUT ROWID")
    ledger.execute("BEGIN")
    try:
        ledger.fill("INSERT INTO answered VALUES (?)", ((custom_id,) for custom_id in custom_ids))
    finally:
        ledger.execute("COMMIT")


def ended(ledger: Ledger, batch: Batch, counts: Counts, reason: str, *, unwritten: int = 0) -> bool:
    """What was answered is to be collected; the rest was not asked, and waits for a batch.

    Of the rest, `unwritten` may have been asked and paid for. False when the run had ended already,
    or when nothing at all was answered.
    """
    if unwritten:
        _tell_of_unwritten(ledger, batch, unwritten, reason)
    if not counts.total():
        mark_not_sent(ledger, batch, reason)
        return False
    with ledger.transaction("inline_ended") as written:
        current = ledger.row(
            "SELECT 1 FROM batches WHERE id = ? AND status = 'sending' AND kind = ?",
            batch.id,
            Kind.SYNC,
        )
        if current is None:
            return False
        _let_go_of_the_unasked(ledger, batch)
        end(ledger, written, batch.id, counts)
    return True


def _tell_of_unwritten(ledger: Ledger, batch: Batch, unwritten: int, reason: str) -> None:
    with ledger.transaction("inline_unwritten") as written:
        if ledger.row("SELECT 1 FROM batches WHERE id = ? AND status = 'sending'", batch.id):
            ledger.event(
                written,
                "batch.possible_duplicate_charge",
                batch_id=batch.id,
                requests=unwritten,
                reason=reason,
            )


def _let_go_of_the_unasked(ledger: Ledger, batch: Batch) -> None:
    unasked = (
        "SELECT a.request_id FROM attempts a JOIN requests r ON r.id = a.request_id"
        " WHERE a.batch_id = ? AND r.custom_id NOT IN (SELECT custom_id FROM answered)"
    )
    ledger.execute(
        f"UPDATE requests SET status = 'queued' WHERE status = 'assigned' AND id IN ({unasked})",  # noqa: S608 - our own words
        batch.id,
    )
    ledger.execute(
        f"DELETE FROM attempts WHERE batch_id = ? AND request_id IN ({unasked})",  # noqa: S608 - as above
        batch.id,
        batch.id,
    )


def end(ledger: Ledger, written: Written, batch_id: int, counts: Counts) -> None:
    """Inside a transaction: the run is over, with so many answers of each kind."""
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
    """Batches that were never sent are not needed any more: their requests wait again."""
    with ledger.transaction("withdraw") as written:
        rows = ledger.rows(
            "UPDATE batches SET status = 'not_sent', last_error = ?, ended_ts = ?"
            " WHERE submission_id = ? AND status = 'queued' RETURNING id",
            reason,
            written.at,
            submission.id,
        )
        for (batch_id,) in rows:
            ledger.execute(
                "UPDATE requests SET status = 'queued' WHERE status = 'assigned' AND id IN"
                " (SELECT request_id FROM attempts WHERE batch_id = ? AND active = 1)",
                batch_id,
            )
            ledger.execute(
                "UPDATE attempts SET active = 0 WHERE batch_id = ? AND active = 1", batch_id
            )
            ledger.event(written, "batch.not_sent", batch_id=batch_id, reason=reason)
    return len(rows)
