"""Writes of command execution: requeue, acknowledge, cancel or detach requests."""

from collections.abc import Callable, Collection

from state.batches.sending import close, finish_submission, release_attempts
from state.db.dialect import LISTED, THEN_JOIN, as_list
from state.db.ledger import Ledger, Transaction
from state.db.model_sql import REQUEST_MODEL
from state.db.reader import Source, listed
from state.db.rows import to_submission
from state.db.sql_conditions import ACKNOWLEDGED, IS_IN_BATCH, REVIEW_REASON, STATUS
from state.model.id_list import IdList
from state.model.records import Batch, BatchStatus, RequestStatus, Submission

_FAILED = f"('errored', 'canceled', 'expired', 'missing', '{ACKNOWLEDGED}')"
# The requests whose latest attempt ended as missing with its batch.
_OF_WRITTEN_OFF = (
    # Batches first: hardly ever is there such a one.
    f"SELECT a.request_id, a.batch_id FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id"  # noqa: S608 - our own words
    f" WHERE a.request_id IN {LISTED} AND a.outcome = 'missing' AND b.collection = 'deleted'"
    " AND NOT EXISTS (SELECT 1 FROM attempts later WHERE later.request_id = a.request_id"
    " AND later.batch_id > a.batch_id)"
)

# With the edit of the command and its cost, where it has one.
_REQUEUE = (
    "UPDATE requests SET status = 'queued', settled_by = NULL,"  # noqa: S608 - our own words
    " (edit_id, at_most_batch_nano, at_most_sync_nano) = (SELECT"
    " coalesce(e.id, requests.edit_id),"
    " CASE WHEN e.id IS NULL THEN requests.at_most_batch_nano"
    " ELSE e.at_most_batch_nano END,"
    " CASE WHEN e.id IS NULL THEN requests.at_most_sync_nano"
    " ELSE e.at_most_sync_nano END"
    " FROM (SELECT 1) one LEFT JOIN edits e ON e.command_id = ? AND e.request_id = requests.id)"
    f" WHERE id IN {LISTED}"
)


def statuses(ledger: Ledger, request_ids: Collection[int]) -> dict[int, RequestStatus]:
    """The current status of each request."""
    rows = ledger.rows(
        f"SELECT r.id, {STATUS} AS status FROM requests r WHERE r.id IN {LISTED}",  # noqa: S608 - our own words
        as_list(request_ids),
    )
    return {row["id"]: RequestStatus(row["status"]) for row in rows}


def requeue(
    ledger: Ledger,
    command_id: int,
    request_ids: Collection[int],
    admit: Callable[[IdList], None] = lambda _ids: None,
) -> int:
    """Queue failed requests for a new batch, with the command's edit where it has one.

    Succeeded requests are queued only with an edit, and while no other batch has them: that one is
    withdrawn, or ends. Returns how many were queued; requests that another command has queued
    meanwhile are not changed. `admit` gets those that are queued, and
    raises to reject them.
    """
    with ledger.transaction("requeue") as tx:
        chosen = _to_requeue(ledger, command_id, request_ids)
        admit(chosen)
        for part in chosen.parts():
            ledger.execute(_REQUEUE, command_id, as_list(part))
        _reopen(ledger, request_ids)
        _record_risk(ledger, tx, request_ids)
    return len(chosen)


def _to_requeue(ledger: Ledger, command_id: int, request_ids: Collection[int]) -> IdList:
    return listed(
        ledger,
        f"SELECT r.id FROM requests r WHERE r.id IN {LISTED} AND (r.status IN {_FAILED}"  # noqa: S608 - our own words
        " OR (r.status = 'succeeded' AND EXISTS (SELECT 1 FROM edits e"
        f" WHERE e.command_id = ? AND e.request_id = r.id) AND NOT {IS_IN_BATCH})) ORDER BY r.id",
        as_list(request_ids),
        command_id,
    )


def _record_risk(ledger: Ledger, tx: Transaction, request_ids: Collection[int]) -> None:
    """Requests of batches that were written off may have run: record what is sent again."""
    for row in ledger.rows(
        f"SELECT x.batch_id, count(*) FROM ({_OF_WRITTEN_OFF}) x JOIN requests r"  # noqa: S608 - our own words
        " ON r.id = x.request_id WHERE r.status = 'queued' GROUP BY x.batch_id",
        as_list(request_ids),
    ):
        ledger.event(
            tx,
            "batch.possible_duplicate_charge",
            batch_id=row[0],
            requests=row[1],
            reason="the batch was written off and may have run",
        )


def count_maybe_charged(ledger: Ledger, request_ids: Collection[int]) -> int:
    """How many of the requests were in a batch that is stuck or written off, and may have run."""
    rows = ledger.rows(
        f"SELECT count(DISTINCT request_id) FROM ({_OF_WRITTEN_OFF}"  # noqa: S608 - our own words
        f" UNION ALL SELECT a.request_id, a.batch_id FROM batches b {THEN_JOIN} attempts a"
        " ON a.batch_id = b.id WHERE a.active = 1 AND b.stuck_ts IS NOT NULL"
        f" AND a.request_id IN {LISTED}) found",
        as_list(request_ids),
        as_list(request_ids),
    )
    return int(rows[0][0])


def _reopen(ledger: Ledger, request_ids: Collection[int]) -> None:
    """Reopen the submissions; their files are delivered again later."""
    ledger.execute(
        "UPDATE submissions SET finished_ts = NULL, delivered_ts = NULL"  # noqa: S608 - our own words
        " WHERE finished_ts IS NOT NULL AND id IN (SELECT submission_id FROM requests"
        f" WHERE status = 'queued' AND id IN {LISTED})",
        as_list(request_ids),
    )


def acknowledge(ledger: Ledger, request_ids: Collection[int]) -> int:
    """Settle failed requests without an answer; returns how many."""
    with ledger.transaction("acknowledge"):
        return ledger.execute(
            f"UPDATE requests SET status = '{ACKNOWLEDGED}' WHERE status IN {_FAILED}"  # noqa: S608 - our own words
            f" AND status <> '{ACKNOWLEDGED}' AND id IN {LISTED}",
            as_list(request_ids),
        )


def failed_in_batches(ledger: Ledger, request_ids: Collection[int]) -> list[int]:
    """The failed requests whose latest attempt was in a batch, not in a synchronous run."""
    return [
        int(row[0])
        for row in ledger.rows(
            f"SELECT r.id FROM requests r WHERE r.status IN {_FAILED}"  # noqa: S608 - our own words
            f" AND r.id IN {LISTED} AND 'batch' = (SELECT b.kind FROM attempts a"
            " JOIN batches b ON b.id = a.batch_id WHERE a.request_id = r.id"
            " ORDER BY a.batch_id DESC LIMIT 1) ORDER BY r.id",
            as_list(request_ids),
        )
    ]


def count_run_synchronously(ledger: Ledger, request_ids: Collection[int], *, since_ts: str) -> int:
    """How many of the requests ran in a synchronous run that began since then."""
    rows = ledger.rows(
        f"SELECT count(DISTINCT a.request_id) FROM attempts a {THEN_JOIN} batches b"  # noqa: S608 - our own words
        f" ON b.id = a.batch_id WHERE a.request_id IN {LISTED} AND b.kind = 'sync'"
        " AND b.created_ts >= ?",
        as_list(request_ids),
        since_ts,
    )
    return int(rows[0][0])


def cancel_unsent(ledger: Ledger, batch: Batch, reason: str) -> bool:
    """Cancel a queued batch and its requests; False where it was sent meanwhile."""
    with ledger.transaction("cancel_unsent") as tx:
        if not close(ledger, tx, batch.id, BatchStatus.NOT_SENT, reason, [BatchStatus.QUEUED]):
            return False
        release_attempts(ledger, batch.id, "canceled")
        count = ledger.execute(
            "UPDATE attempts SET outcome = 'canceled', cost_nano = 0, sync_cost_nano = 0"
            " WHERE batch_id = ?",
            batch.id,
        )
        ledger.execute(
            "UPDATE batches SET processing = 0, canceled = ? WHERE id = ?", count, batch.id
        )
        ledger.event(tx, "batch.canceled_unsent", batch_id=batch.id, reason=reason)
        finish_submission(ledger, tx, batch.submission_id)
    return True


def detach(ledger: Ledger, batch: Batch, request_ids: Collection[int], reason: str) -> int:
    """Queue requests of an open batch again, so that they can run elsewhere.

    Answers of the batch still count as spend when they arrive; a second success is a duplicate.
    """
    with ledger.transaction("detach") as tx:
        count = ledger.execute(
            "UPDATE attempts SET active = 0 WHERE batch_id = ? AND active = 1"  # noqa: S608 - our own words
            f" AND request_id IN {LISTED}",
            batch.id,
            as_list(request_ids),
        )
        ledger.execute(
            "UPDATE requests SET status = 'queued' WHERE status = 'assigned'"  # noqa: S608 - our own words
            f" AND id IN {LISTED} AND NOT EXISTS"
            " (SELECT 1 FROM attempts a WHERE a.request_id = requests.id AND a.active = 1)",
            as_list(request_ids),
        )
        ledger.event(
            tx,
            "batch.possible_duplicate_charge",
            batch_id=batch.id,
            requests=count,
            reason=reason,
        )
    return count


def body_of(source: Source, request_id: int) -> tuple[str, int, int]:
    """The current body of the request: spool file, offset, length."""
    row = source.rows(
        "SELECT coalesce(e.spool_file, r.spool_file), coalesce(e.body_offset, r.body_offset),"
        " coalesce(e.body_length, r.body_length) FROM requests r"
        " LEFT JOIN edits e ON e.id = r.edit_id WHERE r.id = ?",
        request_id,
    )[0]
    return row[0], row[1], row[2]


def stop_reason_of(source: Source, request_id: int) -> str | None:
    """The stop reason of the answer that settled the request; `invalid` for such an answer."""
    rows = source.rows(
        f"SELECT {REVIEW_REASON} FROM requests r JOIN attempts a ON a.request_id = r.id"  # noqa: S608 - our own words
        " AND a.batch_id = r.settled_by WHERE r.id = ?",
        request_id,
    )
    return rows[0][0] if rows else None


def model_of(source: Source, request_id: int) -> str:
    """The model that the current body of the request names."""
    return str(
        source.rows(
            f"SELECT {REQUEST_MODEL} FROM requests r WHERE r.id = ?",  # noqa: S608 - our own words
            request_id,
        )[0][0]
    )


def names_of(source: Source, request_id: int) -> tuple[str | None, str, str]:
    """Job, workflow and tag of the request's submission."""
    row = source.rows(
        "SELECT s.job, s.workflow, s.tag FROM requests r JOIN submissions s"
        " ON s.id = r.submission_id WHERE r.id = ?",
        request_id,
    )[0]
    return row["job"], row["workflow"], row["tag"]


def lane_of(source: Source, request_id: int) -> str:
    """The lane of the request's submission."""
    return source.rows(
        "SELECT s.lane FROM requests r JOIN submissions s ON s.id = r.submission_id WHERE r.id = ?",
        request_id,
    )[0][0]


def betas_of(source: Source, request_id: int) -> tuple[str, ...]:
    """The current beta headers of the request."""
    text = source.rows(
        "SELECT coalesce(e.betas, r.betas) FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
        " WHERE r.id = ?",
        request_id,
    )[0][0]
    return tuple(text.split(",")) if text else ()


def submissions_of(
    ledger: Ledger, request_ids: Collection[int]
) -> list[tuple[Submission, list[int]]]:
    """The requests by submission."""
    grouped: dict[int, list[int]] = {}
    for row in ledger.rows(
        f"SELECT id, submission_id FROM requests WHERE id IN {LISTED} ORDER BY id",  # noqa: S608 - our own words
        as_list(request_ids),
    ):
        grouped.setdefault(row["submission_id"], []).append(row["id"])
    return [
        (to_submission(ledger.rows("SELECT * FROM submissions WHERE id = ?", key)[0]), ids)
        for key, ids in grouped.items()
    ]
