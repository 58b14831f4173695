"""Takes rescue files into the ledger, each once."""

from collections.abc import Callable

from state.batches import submissions, sync_runs
from state.db.ledger import Ledger, Written
from state.db.rows import to_batch
from state.model.records import Batch, Counts, NewSubmission, Submission


def is_in(ledger: Ledger, key: str) -> bool:
    """Whether the file with that key has been taken in."""
    return ledger.row("SELECT 1 FROM rescues WHERE key = ?", key) is not None


def take_in(
    ledger: Ledger,
    new: NewSubmission,
    counts: Counts,
    *,
    place: Callable[[str], None],
    check_budgets: Callable[[], None],
    reserve: Callable[[Submission], None],
    unwritten: int = 0,
) -> Submission:
    """The staged requests, and a run with those that are staged as answered, in one transaction.

    Where the ledger knows the same call already, its answers become attempts of that one.
    `place` puts the answers where the run with the given key has them. `check_budgets` raises to
    reject a new one without answers; `reserve` records what a new one may cost. At most
    `unwritten` calls were paid for without their answers being among these.
    """
    with ledger.transaction("rescue") as written:
        known = submissions.earlier(ledger, new.tag)
        if known is None and not counts.total():
            check_budgets()
        submission = known or submissions.insert(ledger, written, new)
        if known is None:
            reserve(submission)
        if counts.total():
            batch = _add_run(ledger, written, submission, f"{new.key}-sync", live=known is None)
            place(batch.key)
            sync_runs.end(ledger, written, batch.id, counts)
        ledger.execute(
            "INSERT INTO rescues (key, submission_id, imported_ts) VALUES (?, ?, ?)",
            new.key,
            submission.id,
            written.at,
        )
        ledger.event(
            written,
            "rescue.taken_in",
            subject=new.key,
            submission=submission.key,
            answers=counts.total(),
        )
        if unwritten:
            ledger.event(
                written, "submission.may_be_paid_twice", subject=submission.key, requests=unwritten
            )
    return submission


def _add_run(
    ledger: Ledger, written: Written, submission: Submission, key: str, *, live: bool
) -> Batch:
    batch_id = ledger.insert(
        "INSERT INTO batches (key, nonce, submission_id, tag, workflow, model, lane, kind, status,"
        " request_count, betas, owner, created_ts, sent_ts, deadline_ts, rev)"
        " SELECT ?, ?, id, tag, workflow, model, 'anthropic', 'sync', 'sending',"
        " (SELECT count(*) FROM answered), '', created_by, created_ts, created_ts, deadline_ts, ?"
        " FROM submissions WHERE id = ?",
        key,
        ledger.word(submissions.NONCE_LENGTH),
        written.rev,
        submission.id,
    )
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, live) SELECT ?, id, ? FROM requests"
        " WHERE submission_id = ? AND custom_id IN (SELECT custom_id FROM answered)",
        batch_id,
        int(live),
        submission.id,
    )
    if live:
        ledger.execute(
            "UPDATE requests SET status = 'live' WHERE id IN"
            " (SELECT request_id FROM attempts WHERE batch_id = ?)",
            batch_id,
        )
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])
