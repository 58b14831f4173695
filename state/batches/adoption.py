"""Stores a batch that the API has and the ledger does not."""

from state.batches import batch_planning, submissions
from state.batches.orphans import Orphan, OrphanVerdict
from state.batches.sending import RemoteState
from state.db.ledger import Ledger, Transaction
from state.db.rows import to_batch
from state.db.staged import Staged
from state.model.errors import AlreadySubmitted
from state.model.records import Batch, NewSubmission, Submission, of_lane


def known(ledger: Ledger, remote_id: str) -> Batch | None:
    """Return the batch with that id of the API, None without one."""
    row = ledger.row("SELECT * FROM batches WHERE remote_id = ?", remote_id)
    return to_batch(row) if row else None


def mark_candidate(ledger: Ledger, remote: RemoteState, lane: str) -> Orphan:
    """Record that the batch may be of this ledger; an operator's word replaces earlier verdicts."""
    with ledger.transaction("candidate") as tx:
        ledger.execute(
            "INSERT INTO orphans (lane, remote_id, verdict, request_count, remote_created_ts,"
            " seen_ts) VALUES (?, ?, 'candidate', ?, ?, ?)"
            " ON CONFLICT (remote_id, lane) DO UPDATE SET verdict = 'candidate', failures = 0",
            lane,
            remote.remote_id,
            remote.counts.total(),
            remote.created_ts,
            tx.at,
        )
    return Orphan(
        remote_id=remote.remote_id,
        verdict=OrphanVerdict.CANDIDATE,
        request_count=remote.counts.total(),
        remote_created_ts=remote.created_ts,
        seen_ts=tx.at,
        failures=0,
        lane=lane,
    )


def store(
    ledger: Ledger, staged: Staged, new: NewSubmission, remote: RemoteState, account: str | None
) -> Submission:
    """Store the staged requests as a submission with one batch, which is `remote` at the API.

    Raises AlreadySubmitted if the tag has one of the custom_ids already.
    """
    with ledger.transaction("adopt") as tx:
        known = submissions.find_existing(ledger, staged, new.tag)
        if known is not None:
            raise AlreadySubmitted(
                f"The same custom_ids are already in {known.key}{of_lane(known.lane)} under tag"
                f" {new.tag!r}: adopt the batch with another --tag."
            )
        submission = submissions.insert(ledger, tx, staged, new)
        batch_id = _add_batch(ledger, tx, submission, remote, account)
        ledger.execute(
            "INSERT INTO orphans (lane, remote_id, verdict, request_count, remote_created_ts,"
            " seen_ts) VALUES (?, ?, 'own', ?, ?, ?)"
            " ON CONFLICT (remote_id, lane) DO UPDATE SET verdict = 'own'",
            new.lane,
            remote.remote_id,
            remote.counts.total(),
            remote.created_ts,
            tx.at,
        )
        # Another lane at the same API may list it, too.
        ledger.execute("UPDATE orphans SET verdict = 'own' WHERE remote_id = ?", remote.remote_id)
        ledger.event(
            tx,
            "batch.adopted",
            batch_id=batch_id,
            remote_id=remote.remote_id,
            identified_by="operator",
            bodies="unknown",
        )
    return submission


def _add_batch(
    ledger: Ledger,
    tx: Transaction,
    submission: Submission,
    remote: RemoteState,
    account: str | None,
) -> int:
    batch_id = ledger.insert(
        "INSERT INTO batches (key, nonce, account, submission_id, tag, workflow, model, lane, kind,"
        " status, remote_id, identified_by, request_count, processing, created_ts, accepted_ts,"
        " expires_ts) SELECT key, ?, ?, id, tag, workflow, model, lane, 'batch',"
        " 'in_progress', ?, 'operator', request_count, request_count, ?, ?, ?"
        " FROM submissions WHERE id = ?",
        ledger.new_id(batch_planning.NONCE_LENGTH),
        account,
        remote.remote_id,
        tx.at,
        remote.created_ts,
        remote.expires_ts,
        submission.id,
    )
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active)"
        " SELECT ?, id, 1 FROM requests WHERE submission_id = ?",
        batch_id,
        submission.id,
    )
    ledger.execute("UPDATE requests SET status = 'assigned' WHERE submission_id = ?", submission.id)
    return batch_id
