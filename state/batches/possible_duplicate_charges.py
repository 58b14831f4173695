"""Requests that may have been charged twice, as the event log has them."""

from state.db.dialect import number_in
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.model.records import Submission


def count_of(source: Source, batch_id: int) -> int:
    """How many requests of that batch may have been charged a second time."""
    (found,) = source.rows(
        f"SELECT coalesce(sum({number_in('detail', 'requests')}), 0) FROM events"  # noqa: S608 - our own words
        " WHERE batch_id = ? AND kind IN ('batch.possible_duplicate_charge',"
        " 'submission.possible_duplicate_charge')",
        batch_id,
    )[0]
    return int(found)


def count_before(source: Source, batch_id: int) -> int:
    """How many a fallback file brought to its submission before this batch, its first one."""
    keys = source.rows(
        "SELECT s.key FROM batches b JOIN submissions s ON s.id = b.submission_id WHERE b.id = ?"
        " AND NOT EXISTS (SELECT 1 FROM batches e WHERE e.submission_id = s.id AND e.id < b.id)"
        " AND s.id IN (SELECT submission_id FROM fallback_imports)",
        batch_id,
    )
    if not keys:
        return 0
    (found,) = source.rows(
        f"SELECT coalesce(sum({number_in('detail', 'requests')}), 0) FROM events"  # noqa: S608 - our own words
        " WHERE batch_id IS NULL AND kind = 'submission.possible_duplicate_charge'"
        " AND subject = ?",
        keys[0][0],
    )[0]
    return int(found)


def record_recovered(ledger: Ledger, tx: Transaction, batch_id: int, count: int) -> None:
    """Inside a transaction: record what a lost ledger knew of `count` requests in all."""
    new = count - count_of(ledger, batch_id) - count_before(ledger, batch_id)
    if new > 0:
        ledger.event(
            tx,
            "batch.possible_duplicate_charge",
            batch_id=batch_id,
            requests=new,
            reason="recorded before the ledger was replaced",
        )


def record_left(ledger: Ledger, tx: Transaction, submission: Submission, count: int) -> None:
    """Inside a transaction: of `count` in all, record what no batch of the submission has.

    A lost ledger knew of it for a batch that is in no file any more.
    """
    (newest, found) = ledger.rows(
        "SELECT (SELECT max(id) FROM batches WHERE submission_id = ?),"  # noqa: S608 - our own words
        f" (SELECT coalesce(sum({number_in('detail', 'requests')}), 0) FROM events"
        " WHERE kind IN ('batch.possible_duplicate_charge', 'submission.possible_duplicate_charge')"
        " AND (batch_id IN (SELECT id FROM batches WHERE submission_id = ?)"
        " OR (batch_id IS NULL AND subject = ?)))",
        submission.id,
        submission.id,
        submission.key,
    )[0]
    if count > found:
        ledger.event(
            tx,
            "submission.possible_duplicate_charge",
            batch_id=newest,
            subject=submission.key,
            requests=count - int(found),
            reason="recorded before the ledger was replaced",
        )
