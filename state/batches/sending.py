"""Transitions of a batch from `queued` to the response of the API, one transaction each."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from state.batches import guessed_requests
from state.db.dialect import LISTED, LISTED_TEXTS, as_list, is_not
from state.db.ledger import Ledger, Transaction
from state.db.rows import to_batch
from state.db.sql_conditions import WAITS
from state.model.records import DEFAULT_LANE, Batch, BatchStatus, Counts, SentRequest, Submission

_PAGE = 2000
_UNACCEPTED = (BatchStatus.QUEUED, BatchStatus.SENDING, BatchStatus.UNCONFIRMED)
_MAY_BE_SENT = f"workflow NOT IN (SELECT workflow FROM pauses) AND NOT {WAITS}"  # noqa: S608 - our own words
# See budget_reservations.
_HAS_UNKNOWN = (
    "EXISTS (SELECT 1 FROM attempts a JOIN requests r ON r.id = a.request_id"
    " WHERE a.batch_id = batches.id AND r.at_most_batch_nano IS NULL)"
)


class RemoteState(Struct, frozen=True, kw_only=True):
    """Status and counts of a batch as the API reported them."""

    #: The API's id.
    remote_id: str
    #: In progress, canceling or ended.
    status: BatchStatus
    #: Requests by state.
    counts: Counts
    #: When the API created it.
    created_ts: str
    #: When the API ends it at the latest.
    expires_ts: str
    #: When processing ended. None: not ended.
    ended_ts: str | None = None
    #: When a cancel was received. None: no cancel.
    cancel_ts: str | None = None


class BodySizes(Struct, frozen=True, kw_only=True):
    """Size of the bodies of a batch, in total and per spool file."""

    #: Bytes of all bodies.
    bytes: int
    #: Spool file to the bytes it must have at least.
    ends: dict[str, int]
    #: custom_ids too long for the nonce to be appended.
    long_ids: list[str]


def queued(ledger: Ledger, lane: str | None = None) -> list[Batch]:
    """Return the queued batches, of the lane or of all, that nothing holds back, oldest first.

    A pause of the workflow does, and so do the first requests of a primed submission.
    """
    return [
        to_batch(row)
        for row in ledger.rows(
            f"SELECT * FROM batches WHERE status = 'queued' AND {_MAY_BE_SENT}"  # noqa: S608 - our own words
            " AND lane = coalesce(?, lane) ORDER BY id",
            lane,
        )
    ]


def last_rejected_workflow(ledger: Ledger, lane: str = DEFAULT_LANE) -> str | None:
    """Return the workflow of the lane's batch that was rejected last."""
    row = ledger.row(
        "SELECT workflow FROM batches WHERE status = 'rejected' AND lane = ?"
        " ORDER BY id DESC LIMIT 1",
        lane,
    )
    return str(row["workflow"]) if row else None


def queued_of(ledger: Ledger, submission: Submission) -> list[Batch]:
    """Return the queued batches of one submission that may be sent, oldest first."""
    rows = ledger.rows(
        "SELECT * FROM batches WHERE submission_id = ? AND status = 'queued'"  # noqa: S608 - our own words
        f" AND {_MAY_BE_SENT} ORDER BY id",
        submission.id,
    )
    return [to_batch(row) for row in rows]


def is_answered_elsewhere(ledger: Ledger, batch: Batch) -> bool:
    """Return whether another batch has answered a request of this batch since it was planned."""
    row = ledger.row(
        "SELECT 1 FROM attempts a JOIN requests r ON r.id = a.request_id"
        " WHERE a.batch_id = ? AND r.status <> 'assigned' LIMIT 1",
        batch.id,
    )
    return row is not None


def sent_requests(ledger: Ledger, batch: Batch) -> Iterator[SentRequest]:
    """Yield the requests of the batch in order, read in pages: an open cursor would pin the WAL."""
    last = 0
    while True:
        page = ledger.rows(
            "SELECT r.id, r.custom_id, coalesce(e.spool_file, r.spool_file),"
            " coalesce(e.body_offset, r.body_offset), coalesce(e.body_length, r.body_length)"
            " FROM attempts a JOIN requests r ON r.id = a.request_id"
            " LEFT JOIN edits e ON e.id = a.edit_id"
            " WHERE a.batch_id = ? AND a.request_id > ? ORDER BY a.request_id LIMIT ?",
            batch.id,
            last,
            _PAGE,
        )
        for row in page:
            yield SentRequest(*row)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def body_sizes(ledger: Ledger, batch: Batch, *, longer_than: int) -> BodySizes:
    """Return the size of the batch's bodies, and its custom_ids longer than `longer_than`."""
    bodies = (
        "FROM attempts a JOIN requests r ON r.id = a.request_id LEFT JOIN edits e"
        " ON e.id = a.edit_id WHERE a.batch_id = ?"
    )
    files = ledger.rows(
        "SELECT coalesce(e.spool_file, r.spool_file), sum(coalesce(e.body_length, r.body_length)),"
        " max(coalesce(e.body_offset + e.body_length, r.body_offset + r.body_length))"
        f" {bodies} GROUP BY 1",
        batch.id,
    )
    long_ids = ledger.tuples(
        f"SELECT r.custom_id {bodies} AND length(r.custom_id) > ?",
        batch.id,
        longer_than,
    )
    return BodySizes(
        bytes=sum(size for _, size, _ in files),
        ends={name: end for name, _, end in files},
        long_ids=[custom_id for (custom_id,) in long_ids],
    )


def mark_sending(  # noqa: PLR0913 - each is a column
    ledger: Ledger,
    batch: Batch,
    *,
    watermark_id: str,
    watermark_ts: str | None,
    owner: str,
    account: str | None = None,
    server: str | None = None,
    cache_marks: bool = False,
    admit: Callable[[], None] = lambda: None,
) -> bool:
    """Mark a queued batch as being sent by this process; it alone may then make the POST.

    False, and nothing changes, if the batch is not queued any more or something holds it back.
    `admit` is called inside the transaction, and raises to reject the send.
    `watermark_id` is the newest batch in the list that the API returned immediately before, ""
    for an empty list; `account` is the account of that list, `server` the one that returned it.
    """
    with ledger.transaction("sending") as tx:
        admit()
        claimed = ledger.execute(
            "UPDATE batches SET status = 'sending', watermark_id = ?, watermark_ts = ?, owner = ?,"  # noqa: S608 - our own words
            " account = ?, server = ?, cache_marks = ?, sent_ts = ?,"
            f" reserved_nano = CASE WHEN {_HAS_UNKNOWN} THEN 0 ELSE reserved_nano END"
            f" WHERE id = ? AND status = 'queued' AND {_MAY_BE_SENT}",
            watermark_id,
            watermark_ts,
            owner,
            account,
            server,
            int(cache_marks),
            tx.at,
            batch.id,
        )
        if claimed:
            ledger.event(tx, "batch.sending", batch_id=batch.id, watermark=watermark_id)
    return bool(claimed)


def record_wait(ledger: Ledger, batches: Iterable[Batch], reason: str) -> None:
    """Record why these are not sent yet; those that are not queued any more stay as they are."""
    with ledger.transaction("wait"):
        ledger.execute(
            f"UPDATE batches SET last_error = ? WHERE status = 'queued' AND {is_not('last_error')}"  # noqa: S608 - our own words
            f" AND id IN {LISTED}",
            reason,
            reason,
            as_list(batch.id for batch in batches),
        )


def mark_accepted(ledger: Ledger, batch: Batch, remote: RemoteState, account: str | None) -> bool:
    """Record that the API accepted the batch; False if a recovery has found it by its nonce."""
    with ledger.transaction("accepted") as tx:
        return bind_remote(ledger, tx, batch.id, remote, account, identified_by="response")


def count_accepted(ledger: Ledger, batches: list[Batch]) -> int:
    """Return how many of the batches the API accepted."""
    return sum(
        ledger.row("SELECT 1 FROM batches WHERE id = ? AND remote_id IS NOT NULL", batch.id)
        is not None
        for batch in batches
    )


def bind_remote(
    ledger: Ledger,
    tx: Transaction,
    batch_id: int,
    remote: RemoteState,
    account: str | None,
    *,
    identified_by: str,
) -> bool:
    """Inside a transaction: store the API's id in a sent batch. False if it is not being sent."""
    moved = ledger.execute(
        "UPDATE batches SET status = 'in_progress', remote_id = ?, identified_by = ?,"
        " account = coalesce(?, account),"
        " accepted_ts = ?, expires_ts = ?, last_error = NULL, failures = 0"
        " WHERE id = ? AND status IN ('sending', 'unconfirmed')",
        remote.remote_id,
        identified_by,
        account,
        remote.created_ts,
        remote.expires_ts,
        batch_id,
    )
    if moved:
        # Another lane at the same API may have listed it in between.
        ledger.execute(
            "UPDATE orphans SET verdict = 'own' WHERE remote_id = ?"
            " AND lane <> (SELECT lane FROM batches WHERE id = ?)",
            remote.remote_id,
            batch_id,
        )
        ledger.event(
            tx,
            "batch.accepted",
            batch_id=batch_id,
            remote_id=remote.remote_id,
            identified_by=identified_by,
        )
    return bool(moved)


def mark_unconfirmed(ledger: Ledger, batch: Batch, reason: str, *, wait_until_ts: str) -> None:
    """Record that the create has no response. Recovery decides about it from `wait_until_ts` on."""
    with ledger.transaction("unconfirmed") as tx:
        if ledger.execute(
            "UPDATE batches SET status = 'unconfirmed', last_error = ?, next_poll_ts = ?"
            " WHERE id = ? AND status = 'sending'",
            reason,
            wait_until_ts,
            batch.id,
        ):
            ledger.event(tx, "batch.unconfirmed", batch_id=batch.id, reason=reason)


def withdraw(ledger: Ledger, batch: Batch, reason: str) -> bool:
    """End a queued batch and keep its requests queued; False if the batch is being sent."""
    with ledger.transaction("withdraw") as tx:
        return return_to_queue(ledger, tx, batch.id, reason, [BatchStatus.QUEUED])


def mark_not_sent(ledger: Ledger, batch: Batch, reason: str, *, may_have_run: bool = False) -> bool:
    """Record that the API does not have the batch: its requests are queued for a new batch.

    `may_have_run`: the API may have it all the same, so that they may be charged twice.
    """
    with ledger.transaction("not_sent") as tx:
        is_closed = return_to_queue(ledger, tx, batch.id, reason, _UNACCEPTED)
        if is_closed and may_have_run:
            ledger.event(
                tx,
                "batch.possible_duplicate_charge",
                batch_id=batch.id,
                requests=batch.request_count,
                reason=reason,
            )
        return is_closed


def return_to_queue(
    ledger: Ledger, tx: Transaction, batch_id: int, reason: str, allowed: Iterable[BatchStatus]
) -> bool:
    """Inside a transaction: end the batch as not sent, and queue its active requests.

    False, and nothing changes, if its status is none of `allowed`.
    """
    closed = close(ledger, tx, batch_id, BatchStatus.NOT_SENT, reason, allowed)
    if closed:
        guessed_requests.hand_over(ledger, batch_id)
        release_attempts(ledger, batch_id, "queued")
        ledger.event(tx, "batch.not_sent", batch_id=batch_id, reason=reason)
    return closed


def mark_rejected(ledger: Ledger, batch: Batch, error_type: str, message: str) -> None:
    """Record that the API rejected the batch: its requests are errored and can be replayed."""
    with ledger.transaction("rejected") as tx:
        allowed = (BatchStatus.QUEUED, BatchStatus.SENDING)
        reason = f"{error_type}: {message}"
        if not close(ledger, tx, batch.id, BatchStatus.REJECTED, reason, allowed):
            return
        release_attempts(ledger, batch.id, "errored")
        record_errors(ledger, batch.id, error_type, message)
        ledger.event(
            tx, "batch.rejected", batch_id=batch.id, error_type=error_type, message=message
        )
        finish_submission(ledger, tx, batch.submission_id)


def close(
    ledger: Ledger,
    tx: Transaction,
    batch_id: int,
    status: BatchStatus,
    reason: str,
    allowed: Iterable[BatchStatus],
) -> bool:
    """Inside a transaction: end a batch that the API does not have.

    False, and nothing changes, if its status is none of `allowed`.
    """
    return bool(
        ledger.execute(
            "UPDATE batches SET status = ?, last_error = ?, ended_ts = ?"  # noqa: S608 - our own words
            f" WHERE id = ? AND status IN {LISTED_TEXTS}",
            status,
            reason,
            tx.at,
            batch_id,
            as_list(allowed),
        )
    )


def record_errors(
    ledger: Ledger, batch_id: int, error_type: str, message: str, *, only: int | None = None
) -> None:
    """Inside a transaction: mark the attempts of a rejected batch, or one of them, as errored."""
    count = ledger.execute(
        "UPDATE attempts SET active = 0, outcome = 'errored', error_type = ?, error_message = ?,"
        " cost_nano = 0, sync_cost_nano = 0 WHERE batch_id = ? AND (? = 1 OR request_id = ?)",
        error_type,
        message,
        batch_id,
        int(only is None),
        only,
    )
    ledger.execute("UPDATE batches SET processing = 0, errored = ? WHERE id = ?", count, batch_id)


def release_attempts(ledger: Ledger, batch_id: int, status: str) -> None:
    """Inside a transaction: end the active attempts of the batch; their requests get `status`."""
    ledger.execute(
        "UPDATE requests SET status = ? WHERE status = 'assigned' AND id IN"
        " (SELECT request_id FROM attempts WHERE batch_id = ? AND active = 1)",
        status,
        batch_id,
    )
    ledger.execute("UPDATE attempts SET active = 0 WHERE batch_id = ? AND active = 1", batch_id)
    settle_by_earlier_answers(ledger, batch_id)


_LATEST_ANSWER = (
    "(SELECT max(a.batch_id) FROM attempts a WHERE a.request_id = requests.id"
    " AND a.outcome = 'succeeded' AND a.duplicate = 0)"
)


def settle_by_earlier_answers(ledger: Ledger, batch_id: int) -> None:
    """Inside a transaction: requests whose newest body has no answer keep their latest one.

    Those of the batch. One that is settled so takes a later answer that arrives after it.
    """
    ledger.execute(
        f"UPDATE requests SET status = 'succeeded', settled_by = {_LATEST_ANSWER}"  # noqa: S608 - our own words
        " WHERE id IN (SELECT request_id FROM attempts WHERE batch_id = ?)"
        " AND status IN ('errored', 'canceled', 'expired', 'missing')"
        f" AND {_LATEST_ANSWER} IS NOT NULL",
        batch_id,
    )
    if not ledger.rows("SELECT 1 FROM edits LIMIT 1"):
        return
    ledger.execute(
        f"UPDATE requests SET settled_by = {_LATEST_ANSWER}"  # noqa: S608 - our own words
        " WHERE id IN (SELECT request_id FROM attempts WHERE batch_id = ?)"
        " AND status = 'succeeded' AND edit_id IS NOT NULL"
        f" AND settled_by < {_LATEST_ANSWER} AND NOT EXISTS (SELECT 1 FROM attempts newest"
        " WHERE newest.request_id = requests.id AND newest.batch_id = requests.settled_by"
        " AND newest.edit_id = requests.edit_id)",
        batch_id,
    )


def finish_submission(ledger: Ledger, tx: Transaction, submission_id: int | None) -> None:
    """Inside a transaction: mark the submission as finished if all its requests have ended."""
    if submission_id is None:
        return
    finished = ledger.execute(
        "UPDATE submissions SET finished_ts = ?, delivered_ts = NULL WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM requests WHERE submission_id = submissions.id"
        " AND status IN ('queued', 'assigned'))",
        tx.at,
        submission_id,
    )
    if finished:
        (found,) = ledger.rows("SELECT key FROM submissions WHERE id = ?", submission_id)
        ledger.event(tx, "submission.finished", subject=found["key"])
