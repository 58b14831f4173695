"""Writes recovered submissions and batches into a new ledger, and installs it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from state.batches import (
    batch_planning,
    edits,
    possible_duplicate_charges,
    submissions,
    totals,
)
from state.batches.edits import Bodies
from state.batches.sending import finish_submission, settle_by_earlier_answers
from state.db import access_lock
from state.db.dialect import LISTED, LISTED_TEXTS, as_list
from state.db.ledger import Ledger, Transaction
from state.db.rows import to_batch
from state.db.sql_conditions import OUTCOME_COUNTS, TO_DO
from state.db.staged import Staged
from state.files.folder import Folder, replace
from state.model.crash_points import no_crash_point
from state.model.errors import AlreadySubmitted
from state.model.records import Batch, BatchKind, BatchStatus, NewSubmission, Submission
from state.recovery import recovered_batches
from state.recovery.recovered_batches import RecoveredBatch

_SIDES = ("", "-wal", "-shm")


def fresh_path(ledger: Path) -> Path:
    """The path of the new ledger; files of an earlier attempt are removed."""
    path = Folder(ledger.parent).fresh_ledger
    remove_fresh(path)
    return path


def remove_fresh(fresh: Path) -> None:
    """Remove a new ledger that was not installed, and what lies beside one that was."""
    for side in _SIDES:
        fresh.with_name(fresh.name + side).unlink(missing_ok=True)
    for left in fresh.parent.glob(f"{fresh.stem}.v*.bak*"):
        left.unlink()
    access_lock.lock_file(fresh).unlink(missing_ok=True)


def install(
    fresh: Path,
    ledger: Path,
    *,
    kept: Path,
    crash_point: Callable[[str], None] = no_crash_point,
) -> Path | None:
    """Put the new ledger in the old one's place, under the exclusive lock.

    Returns where the old one is kept, if there was one. The old one goes first: a death between the
    two leaves none, which every command refuses, and never the one file with the other's WAL.
    """
    was_there = ledger.exists() and ledger.stat().st_size > 0
    for side in _SIDES:
        old = ledger.with_name(ledger.name + side)
        if old.exists():
            replace(old, kept.with_name(kept.name + side))
    crash_point("install:aside")
    replace(fresh, ledger)
    remove_fresh(fresh)
    if not was_there:
        kept.unlink(missing_ok=True)
    return kept if was_there else None


def submission_keys(ledger: Ledger) -> set[str]:
    """The keys of the submissions that the ledger has."""
    return {row[0] for row in ledger.rows("SELECT key FROM submissions")}


def edit_files(ledger: Ledger) -> set[str]:
    """The names of the files with the bodies of the edits that the ledger has."""
    return {row[0] for row in ledger.rows("SELECT DISTINCT spool_file FROM edits")}


def has_remote_id(ledger: Ledger, remote_id: str) -> bool:
    """Whether a batch of the ledger has that id at the API."""
    return bool(ledger.rows("SELECT 1 FROM batches WHERE remote_id = ?", remote_id))


def has_key(ledger: Ledger, key: str) -> bool:
    """Whether a batch of the ledger has that key."""
    return bool(ledger.rows("SELECT 1 FROM batches WHERE key = ?", key))


def has_results(ledger: Ledger, key: str) -> bool:
    """Whether the batch of the ledger with that key has results in the file named like it."""
    return bool(ledger.rows("SELECT 1 FROM batches WHERE key = ? AND results_bytes > 0", key))


def store(ledger: Ledger, staged: Staged, new: NewSubmission) -> Submission:
    """Store the staged requests as a submission without a batch. Raises AlreadySubmitted."""
    with ledger.transaction("rebuild") as tx:
        known = submissions.find_existing(ledger, staged, new.tag)
        if known is not None:
            raise AlreadySubmitted(f"{new.key} has the requests of {known.key}.")
        return submissions.insert(ledger, tx, staged, new)


def finish_if_settled(ledger: Ledger, submission: Submission) -> None:
    """Mark the submission as finished where none of its requests is queued or in flight."""
    with ledger.transaction("rebuild") as tx:
        finish_submission(ledger, tx, submission.id)


def record_charges(
    ledger: Ledger, batches: Iterable[Batch], found: Mapping[str, RecoveredBatch]
) -> None:
    """Record possible duplicate charges of batches that the ledger does not know of."""
    with ledger.transaction("rebuild") as tx:
        for batch in batches:
            if batch.key in found:
                count = found[batch.key].possible_duplicate_charges
                possible_duplicate_charges.record_recovered(ledger, tx, batch.id, count)


def record_left_charges(
    ledger: Ledger, submission: Submission, found: Iterable[RecoveredBatch]
) -> None:
    """The same of batches of the submission that are not in the ledger."""
    # A batch with two keys is one.
    counts = {
        one.remote_id or f"{one.key} {one.nonce}": one.possible_duplicate_charges for one in found
    }
    with ledger.transaction("rebuild") as tx:
        possible_duplicate_charges.record_left(ledger, tx, submission, sum(counts.values()))


def answered(ledger: Ledger, submission_id: int, custom_ids: Collection[str]) -> list[int]:
    """The requests that results name."""
    rows = ledger.rows(
        f"SELECT id FROM requests WHERE submission_id = ?"  # noqa: S608 - our own words
        f" AND custom_id IN {LISTED_TEXTS} ORDER BY id",
        submission_id,
        as_list(custom_ids),
    )
    return [row[0] for row in rows]


def has_bodies_at(ledger: Ledger, submission_id: int, offsets: Sequence[int]) -> bool:
    """Whether the submission has a request with its body at each of these offsets."""
    (count,) = ledger.rows(
        "SELECT count(*) FROM requests WHERE submission_id = ?"  # noqa: S608 - our own words
        f" AND body_offset IN {LISTED}",
        submission_id,
        as_list(offsets),
    )[0]
    return bool(count == len(set(offsets)))


def guessed(ledger: Ledger, submission_id: int, count: int) -> list[int]:
    """The next `count` requests that no other batch is known to have."""
    rows = ledger.rows(
        f"SELECT r.id FROM requests r WHERE r.submission_id = ? AND {TO_DO}"  # noqa: S608 - our own words
        " ORDER BY r.status <> 'queued', r.id LIMIT ?",
        submission_id,
        count,
    )
    return [row[0] for row in rows]


def add_batch(
    ledger: Ledger,
    submission_id: int,
    found: RecoveredBatch,
    request_ids: Sequence[int],
    *,
    status: BatchStatus,
    nonce: str,
    edited_bodies: Sequence[tuple[str, Bodies]] | None = None,
    is_guess: bool = False,
) -> Batch:
    """Add a batch with these requests, in a state that the next poll can continue from.

    It keeps the number of requests that the mirror states, by which a create without a response is
    found at the API, also where some of them cannot be read. `is_guess`: no file names its
    requests. `edited_bodies` by their file; None where it is not known which the batch has.
    """
    request_count = max(len(request_ids), found.request_count)
    with ledger.transaction("rebuild") as tx:
        nonce = found.nonce or nonce
        original = ledger.row(
            "SELECT id FROM batches WHERE nonce = ? AND duplicate_of IS NULL", nonce
        )
        batch_id = ledger.insert(
            "INSERT INTO batches (key, nonce, account, submission_id, duplicate_of, tag, workflow,"
            " model, lane, kind, status, remote_id, identified_by, betas, request_count,"
            " processing, watermark_ts, owner, created_ts, sent_ts, accepted_ts)"
            " SELECT ?, ?, ?, id, ?, tag, workflow, model, coalesce(?, lane), ?, ?, ?, ?, ?, ?, ?,"
            " ?, 'lost', ?, ?, ? FROM submissions WHERE id = ?",
            _unused_key(ledger, found),
            nonce,
            found.account,
            original["id"] if original else None,
            found.lane,
            found.kind,
            status,
            found.remote_id,
            "operator" if found.remote_id else None,
            found.betas,
            request_count,
            request_count,
            recovered_batches.watermark_ts(found.submitted_ts),
            found.submitted_ts,
            found.submitted_ts,
            None if status in (BatchStatus.SENDING, BatchStatus.NOT_SENT) else found.submitted_ts,
            submission_id,
        )
        if status == BatchStatus.NOT_SENT:
            _add_past_attempts(ledger, batch_id, as_list(request_ids))
        else:
            if found.requests is not None and not found.is_duplicate:
                # An earlier batch that has them too does not run them now.
                _end_active(ledger, as_list(request_ids))
            edited = None
            if edited_bodies is not None:
                edited = edits.add(
                    ledger, tx, edited_bodies, request_ids, created_ts=found.submitted_ts
                )
                if not found.is_duplicate:
                    edits.reopen(ledger, edited)
            _add_attempts(ledger, batch_id, as_list(request_ids), edited)
        if found.kind == BatchKind.BATCH and found.nonce:
            # The nonce still proves whose batch it is.
            ledger.execute(
                "UPDATE batches SET identified_by = 'nonce' WHERE id = ? AND remote_id IS NOT NULL",
                batch_id,
            )
        ledger.event(
            tx,
            "batch.rebuilt",
            batch_id=batch_id,
            was=found.status,
            guessed=is_guess,
        )
        possible_duplicate_charges.record_recovered(
            ledger, tx, batch_id, found.possible_duplicate_charges
        )
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])


def _unused_key(ledger: Ledger, found: RecoveredBatch) -> str:
    """Its key, or the submission's next one where another batch has it."""
    if not has_key(ledger, found.key):
        return found.key
    return batch_planning.unused_key(ledger, found.submission_key)


def _end_active(ledger: Ledger, request_ids: str) -> None:
    ledger.execute(
        f"UPDATE attempts SET active = 0 WHERE active = 1 AND request_id IN {LISTED}",  # noqa: S608 - our own words
        request_ids,
    )


def _add_past_attempts(ledger: Ledger, batch_id: int, request_ids: str) -> None:
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active)"  # noqa: S608 - our own words
        f" SELECT ?, id, 0 FROM requests WHERE id IN {LISTED}",
        batch_id,
        request_ids,
    )


def _add_attempts(
    ledger: Ledger, batch_id: int, request_ids: str, edited: Mapping[int, int] | None
) -> None:
    """Add the attempts, with these edits; None: with the newest body that the ledger knows."""
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active, edit_id)"  # noqa: S608 - our own words
        " SELECT ?, id, is_active, CASE WHEN is_active = 1 THEN edit_id END FROM"
        " (SELECT r.id, r.edit_id, CASE WHEN r.status <> 'succeeded' AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.request_id = r.id AND a.active = 1)"
        f" THEN 1 ELSE 0 END AS is_active FROM requests r WHERE r.id IN {LISTED}) found",
        batch_id,
        request_ids,
    )
    if edited is not None:
        ledger.execute("UPDATE attempts SET edit_id = NULL WHERE batch_id = ?", batch_id)
        ledger.executemany(
            "UPDATE attempts SET edit_id = ? WHERE batch_id = ? AND request_id = ?",
            ((edit, batch_id, request) for request, edit in edited.items()),
        )
    ledger.execute(
        "UPDATE requests SET status = 'assigned' WHERE status NOT IN ('assigned', 'succeeded')"  # noqa: S608 - our own words
        f" AND id IN {LISTED}",
        request_ids,
    )


def end(ledger: Ledger, batch: Batch, *, at: str | None) -> Batch:
    """Mark the batch as ended and ready to collect: its answers are on disk."""
    with ledger.transaction("rebuild") as tx:
        ledger.execute(
            "UPDATE batches SET status = 'ended', collection = 'pending', ended_ts = ?"
            " WHERE id = ?",
            at or tx.at,
            batch.id,
        )
    return to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch.id)[0])


def count_outcomes(ledger: Ledger, batch: Batch) -> None:
    """Set the batch's counts from its outcomes."""
    with ledger.transaction("rebuild"):
        ledger.execute(
            "UPDATE batches SET processing = 0, (succeeded, errored, canceled, expired) = (SELECT"  # noqa: S608 - our own words
            f" {OUTCOME_COUNTS} FROM attempts WHERE batch_id = batches.id) WHERE id = ?",
            batch.id,
        )


def collect_at_once(ledger: Ledger, batch: Batch) -> None:
    """Let the next poll collect the batch, although a try has just failed."""
    with ledger.transaction("rebuild"):
        ledger.execute("UPDATE batches SET next_poll_ts = NULL WHERE id = ?", batch.id)


def mark_lost(ledger: Ledger, submission_id: int, key: str, nonce: str, reason: str) -> int:
    """Mark requests in no recovered batch as missing: they may have run, so they are not sent."""
    with ledger.transaction("rebuild") as tx:
        waiting = ledger.rows(
            "SELECT count(*) FROM requests WHERE submission_id = ? AND status = 'queued'",
            submission_id,
        )[0][0]
        if waiting:
            lost = batch_planning.unused_key(ledger, f"{key}-lost")
            _add_lost_batch(ledger, tx, submission_id, lost, nonce, reason)
    return int(waiting)


def _add_lost_batch(
    ledger: Ledger, tx: Transaction, submission_id: int, key: str, nonce: str, reason: str
) -> None:
    batch_id = ledger.insert(
        "INSERT INTO batches (key, nonce, submission_id, tag, workflow, model, lane, kind, status,"
        " collection, request_count, last_error, created_ts, ended_ts, collected_ts, cost_nano,"
        " sync_cost_nano) SELECT ?, ?, id, tag, workflow, model, lane, 'batch',"
        " 'ended', 'collected', (SELECT count(*) FROM requests WHERE submission_id = s.id"
        " AND status = 'queued'), ?, created_ts, ?, ?, 0, 0 FROM submissions s WHERE id = ?",
        key,
        nonce,
        reason,
        tx.at,
        tx.at,
        submission_id,
    )
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active, edit_id, outcome, cost_nano,"
        " sync_cost_nano) SELECT ?, id, 0, edit_id, 'missing', 0, 0 FROM requests"
        " WHERE submission_id = ? AND status = 'queued'",
        batch_id,
        submission_id,
    )
    ledger.execute(
        "UPDATE requests SET status = 'missing' WHERE submission_id = ? AND status = 'queued'",
        submission_id,
    )
    settle_by_earlier_answers(ledger, batch_id)
    lost = to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])
    totals.add(ledger, tx, lost)
    ledger.event(tx, "batch.collected", batch_id=batch_id, problem=reason)
