"""Reads and writes of a restore: what a ledger holds, and what a backup could not know."""

from pathlib import Path

from state.db import ledger_copy
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.rows import to_submission
from state.model.errors import LedgerUnusable
from state.model.records import Batch, Submission
from state.recovery import recovered_batches
from state.recovery.rebuild import has_remote_id
from state.recovery.recovered_batches import RecoveredBatch


def copy_backup(backup: Path, target: Path) -> None:
    """Copy a backup to a new file, with its WAL if it has one. Raises LedgerUnusable, OSError."""
    wrong = ledger_copy.copy_backup(backup, target)
    if wrong:
        raise LedgerUnusable(
            f"The backup {backup} is damaged: {wrong}. Choose another of `titan-console restore`,"
            " or run `titan-console rebuild`.",
            code="backup_damaged",
        )


def contents(source: Source) -> tuple[set[str], set[str], int]:
    """The keys of all submissions and batches, and the number of requests."""
    submissions = {row[0] for row in source.rows("SELECT key FROM submissions")}
    batches = {row[0] for row in source.rows("SELECT key FROM batches")}
    return submissions, batches, int(source.rows("SELECT count(*) FROM requests")[0][0])


def submissions(source: Source) -> list[Submission]:
    """Every submission."""
    return [to_submission(row) for row in source.rows("SELECT * FROM submissions ORDER BY id")]


def end_commands(ledger: Ledger, reason: str) -> int:
    """End the commands that were open: they may have been executed since."""
    with ledger.transaction("restore") as tx:
        return sum(
            ledger.execute(
                "UPDATE commands SET state = ?, outcome = ?, ended_ts = ? WHERE state = ?",
                after,
                reason,
                tx.at,
                before,
            )
            for before, after in (("pending", "withdrawn"), ("running", "failed"))
        )


def bind(ledger: Ledger, batch: Batch, found: RecoveredBatch, *, is_here: bool) -> bool:
    """Mark a batch that the backup has as not sent yet as sent, with the API's id if it is known.

    Without an id it must have results on disk: `is_here`. False if it was not sent, or if another
    batch has that id. The backup has its nonce, which its results carry.
    """
    if found.remote_id is None and not is_here:
        return False
    if found.remote_id and has_remote_id(ledger, found.remote_id):
        return False
    with ledger.transaction("restore") as tx:
        ledger.execute(
            "UPDATE batches SET status = 'sending', owner = 'lost' WHERE id = ?"
            " AND status = 'queued'",
            batch.id,
        )
        bound = ledger.execute(
            "UPDATE batches SET status = 'in_progress', remote_id = ?, account = ?,"
            " identified_by = ?, sent_ts = coalesce(sent_ts, ?), accepted_ts = ?"
            " WHERE id = ? AND status IN ('sending', 'unconfirmed')",
            found.remote_id,
            found.account,
            "nonce" if found.remote_id else None,
            found.submitted_ts or batch.created_ts,
            found.submitted_ts or batch.created_ts,
            batch.id,
        )
        if bound:
            ledger.event(tx, "batch.rebuilt", batch_id=batch.id, was=found.status)
    return bool(bound)


def mark_maybe_sent(ledger: Ledger, batch: Batch) -> None:
    """Treat a queued batch like one whose sender was killed: it is looked for before it is sent."""
    with ledger.transaction("restore") as tx:
        # The recovery wait begins now: the batch may have been sent just before the restore.
        ledger.execute(
            "UPDATE batches SET status = 'sending', owner = 'lost', watermark_ts = ?,"
            " sent_ts = ? WHERE id = ? AND status = 'queued'",
            recovered_batches.watermark_ts(batch.created_ts),
            tx.at,
            batch.id,
        )


def record(ledger: Ledger, backup: str | None = None) -> None:
    """Record that this ledger was restored from that backup, or else rebuilt.

    The holders of a backup's leases polled the ledger that is replaced: they go, and the lease
    `restored` stays as the time of the restore, which no poll of the backup counts against.
    """
    with ledger.transaction("restore") as tx:
        ledger.execute("DELETE FROM leases")
        now = ledger.monotonic()
        ledger.execute(
            "INSERT INTO leases (name, holder, acquired_ts, expires_ts, acquired_at, expires_at)"
            " VALUES ('restored', ?, ?, ?, ?, ?)",
            *(ledger.actor, tx.at, tx.at, now, now),
        )
        kind = "ledger.restored" if backup else "ledger.rebuilt"
        ledger.event(tx, kind, subject=backup)


def identify_orphans(ledger: Ledger) -> None:
    """Batches at the API that the backup did not know, and that the files name, are no orphans."""
    with ledger.transaction("restore"):
        ledger.execute(
            "UPDATE orphans SET verdict = 'own' WHERE verdict <> 'own'"
            " AND remote_id IN (SELECT remote_id FROM batches WHERE remote_id IS NOT NULL)"
        )


def rewrite_mirrors(ledger: Ledger) -> None:
    """Let the next poll write the mirror files anew: the backup knows other positions in them."""
    with ledger.transaction("rewrite_mirrors"):
        ledger.execute("DELETE FROM mirrors")
