"""Records the import of a fallback file, with the answers that it paid for."""

from collections.abc import Collection, Mapping

from state.batches import batch_planning, sync_runs
from state.db.dialect import LISTED_TEXTS, as_list
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.model.records import Counts, Submission


def is_imported(source: Source, key: str) -> bool:
    """Whether the file with that key was imported."""
    return bool(source.rows("SELECT 1 FROM fallback_imports WHERE key = ?", key))


def is_named(source: Source, key: str) -> bool:
    """Whether a spool file or a line of the mirror has the key of that imported file.

    Without them a rebuild could not know whose key it is.
    """
    return bool(
        source.rows(
            "SELECT 1 FROM fallback_imports i JOIN submissions s ON s.id = i.submission_id"
            " WHERE i.key = ? AND (s.key = i.key"
            " OR EXISTS (SELECT 1 FROM batches b WHERE b.submission_id = s.id))",
            key,
        )
    )


def add_known(
    ledger: Ledger,
    submission: Submission,
    known: Mapping[str, int],
) -> None:
    """Mark files as imported whose requests a rebuild brought back.

    `known` has, by key, how many calls may have been paid for without an answer in the file, where
    no line of the mirror tells: nothing imports it any more.
    """
    if not known:
        return
    with ledger.transaction("rebuild") as tx:
        for key, unwritten in known.items():
            if is_imported(ledger, key):
                continue
            ledger.execute(
                "INSERT INTO fallback_imports (key, submission_id, imported_ts) VALUES (?, ?, ?)",
                key,
                submission.id,
                tx.at,
            )
            _record_unwritten(ledger, tx, submission, unwritten)


def record(
    ledger: Ledger,
    tx: Transaction,
    submission: Submission,
    key: str,
    answered: Collection[str],
    counts: Counts,
    *,
    is_new: bool,
    unwritten: int,
) -> str | None:
    """Inside the transaction that stores its requests: mark the fallback file `key` as imported.

    Requests that were `answered` (by custom_id) become attempts of a synchronous run that has
    ended, whose key is returned. Where the submission was known before, these attempts are
    not active: a success that comes second is a duplicate. Up to `unwritten` calls may have been
    paid for without an answer in the file.
    """
    run = None
    if counts.total():
        run = _add_run(ledger, tx, submission, answered, counts, is_new=is_new)
    ledger.execute(
        "INSERT INTO fallback_imports (key, submission_id, imported_ts) VALUES (?, ?, ?)",
        key,
        submission.id,
        tx.at,
    )
    ledger.event(
        tx,
        "fallback.imported",
        # The line of this batch in the mirror names the key.
        batch_id=_newest_batch(ledger, submission),
        subject=key,
        submission=submission.key,
        answers=counts.total(),
    )
    _record_unwritten(ledger, tx, submission, unwritten)
    return run


def _record_unwritten(
    ledger: Ledger, tx: Transaction, submission: Submission, unwritten: int
) -> None:
    if unwritten:
        ledger.event(
            tx,
            "submission.possible_duplicate_charge",
            batch_id=_newest_batch(ledger, submission),
            subject=submission.key,
            requests=unwritten,
        )


def _newest_batch(ledger: Ledger, submission: Submission) -> int | None:
    (found,) = ledger.rows("SELECT max(id) FROM batches WHERE submission_id = ?", submission.id)[0]
    return found


def _add_run(
    ledger: Ledger,
    tx: Transaction,
    submission: Submission,
    answered: Collection[str],
    counts: Counts,
    *,
    is_new: bool,
) -> str:
    batch_id = batch_planning.insert_batch(
        ledger,
        tx,
        submission,
        betas="",
        count=counts.total(),
        size=0,
        runner=submission.created_by,
    )
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active) SELECT ?, id, ? FROM requests"  # noqa: S608 - our own words
        f" WHERE submission_id = ? AND custom_id IN {LISTED_TEXTS}",
        batch_id,
        int(is_new),
        submission.id,
        as_list(answered),
    )
    # It ran when the job did, at the prices of that day.
    ledger.execute(
        "UPDATE batches SET created_ts = ?, sent_ts = ? WHERE id = ?",
        submission.created_ts,
        submission.created_ts,
        batch_id,
    )
    sync_runs.end(ledger, tx, batch_id, counts)
    return str(ledger.rows("SELECT key FROM batches WHERE id = ?", batch_id)[0][0])
