"""Plans batches: which queued requests are sent together, and the row of a new batch."""

from collections.abc import Collection, Iterable, Iterator

from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger, Transaction
from state.db.rows import to_batch, to_submission
from state.db.sql_conditions import GOES_FIRST, IS_IN_BATCH, QUEUED
from state.files.folder import Folder
from state.files.unused_results import set_aside
from state.model.id_list import IdList
from state.model.records import DEFAULT_LANE, Batch, BatchKind, BatchStatus, Submission

NONCE_LENGTH = 8
# Of a request `r` with its edit `e`.
_LENGTH = "coalesce(e.body_length, r.body_length)"
# No body is larger.
_ANY_SIZE = 1 << 62


def plan_queued(
    ledger: Ledger,
    *,
    max_requests: int,
    max_bytes: int,
    wire_overhead: int,
    max_call_bytes: int = _ANY_SIZE,
    lane: str = DEFAULT_LANE,
) -> list[Batch]:
    """Add batches for the lane's queued requests of workflows that are not paused; returns them.

    The requests of a batch have one submission and the same betas. The first ones of a primed
    submission are in batches of their own, before the others. So are those above `max_call_bytes`:
    they cannot run synchronously, so that a deadline has no use of a cancel of their batch.
    """
    if ledger.row(f"SELECT 1 FROM requests r WHERE {QUEUED} LIMIT 1") is None:  # noqa: S608 - our own words
        return []
    added: list[int] = []
    with ledger.transaction("plan") as tx:
        for group in ledger.rows(
            f"SELECT r.submission_id, coalesce(e.betas, r.betas) AS betas, {GOES_FIRST} AS first,"  # noqa: S608 - our own words
            f" {_LENGTH} > ? AS large"
            f" FROM requests r LEFT JOIN edits e ON e.id = r.edit_id WHERE {QUEUED} AND EXISTS"
            " (SELECT 1 FROM submissions s WHERE s.id = r.submission_id AND s.lane = ?"
            " AND s.workflow NOT IN (SELECT workflow FROM pauses))"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3 DESC, 4",
            max_call_bytes,
            lane,
        ):
            submission = to_submission(
                ledger.rows("SELECT * FROM submissions WHERE id = ?", group["submission_id"])[0]
            )
            # All of them before the first batch changes the requests that are read.
            parts = list(
                _parts(
                    ledger.tuples(
                        f"SELECT r.id, {_LENGTH} FROM requests r"  # noqa: S608 - our own words
                        " LEFT JOIN edits e ON e.id = r.edit_id WHERE r.status = 'queued'"
                        " AND r.submission_id = ? AND coalesce(e.betas, r.betas) = ?"
                        f" AND {GOES_FIRST} = ? AND ({_LENGTH} > ?) = ? AND NOT {IS_IN_BATCH}"
                        " ORDER BY r.id",
                        submission.id,
                        group["betas"],
                        group["first"],
                        max_call_bytes,
                        group["large"],
                    ),
                    max_requests,
                    max_bytes - wire_overhead,
                    wire_overhead,
                )
            )
            added += [
                add_batch(ledger, tx, submission, ids, betas=group["betas"], overhead=wire_overhead)
                for ids in parts
            ]
    return [to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", i)[0]) for i in added]


def _parts(
    rows: Iterable[tuple[int, int]], max_requests: int, max_bytes: int, overhead: int
) -> Iterator[IdList]:
    """Yield the ids of consecutive requests that fit into one batch."""
    ids: list[int] = []
    size = 0
    for request_id, length in rows:
        grown = length + overhead
        if ids and (len(ids) == max_requests or size + grown > max_bytes):
            yield IdList.of(ids)
            ids, size = [], 0
        ids.append(request_id)
        size += grown
    if ids:
        yield IdList.of(ids)


def add_batch(
    ledger: Ledger,
    tx: Transaction,
    submission: Submission,
    request_ids: Collection[int],
    *,
    betas: str,
    overhead: int,
    runner: str | None = None,
) -> int:
    """Inside a transaction: add a queued batch with those of the requests that are queued.

    With a `runner` the batch is a synchronous run that the process of that name starts next.
    """
    queued = (
        "FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
        f" WHERE r.status = 'queued' AND r.id IN {LISTED}"
    )
    listed = as_list(request_ids)
    # What starts now reserves 0 where the cost of a request is not known: see budget_reservations.
    price = (
        "CASE WHEN count(*) = count(r.at_most_sync_nano) THEN sum(r.at_most_sync_nano) END"
        if runner
        else "sum(r.at_most_batch_nano)"
    )
    count, size, reserved = ledger.rows(
        f"SELECT count(*), sum({_LENGTH} + {overhead:d}), coalesce({price}, 0) {queued}",
        listed,
    )[0]
    batch_id = insert_batch(
        ledger,
        tx,
        submission,
        betas=betas,
        count=count,
        size=size,
        runner=runner,
        reserved_nano=reserved,
    )
    ledger.execute(
        "INSERT INTO attempts (batch_id, request_id, active, edit_id)"
        f" SELECT ?, r.id, 1, r.edit_id {queued}",
        batch_id,
        listed,
    )
    ledger.execute(
        "UPDATE requests SET status = 'assigned' WHERE id IN"
        " (SELECT request_id FROM attempts WHERE batch_id = ?)",
        batch_id,
    )
    kind = "batch.sync_started" if runner else "batch.queued"
    ledger.event(tx, kind, batch_id=batch_id, requests=count)
    return batch_id


def unused_key(ledger: Ledger, base: str, number: int = 1) -> str:
    """Return the key with that number, or the next one that no batch has; 1 is the base itself.

    A rebuild may know the second batch of a submission, and not its first.
    """
    while True:
        key = base if number == 1 else f"{base}-{number}"
        if not ledger.row("SELECT 1 FROM batches WHERE key = ?", key):
            return key
        number += 1


def insert_batch(
    ledger: Ledger,
    tx: Transaction,
    submission: Submission,
    *,
    betas: str,
    count: int,
    size: int,
    runner: str | None = None,
    reserved_nano: int = 0,
) -> int:
    """Inside a transaction: add a queued batch without attempts, or a started run of `runner`.

    `reserved_nano` is what it can cost at most.
    """
    (number,) = ledger.rows(
        "SELECT count(*) + 1 FROM batches WHERE submission_id = ?", submission.id
    )[0]
    key = unused_key(ledger, submission.key, number)
    unused = set_aside(Folder(ledger.path.parent), key)
    batch_id = ledger.insert(
        "INSERT INTO batches (key, nonce, submission_id, tag, workflow, model, lane, kind, status,"
        " request_count, processing, bytes, betas, created_ts, deadline_ts, owner, sent_ts,"
        " reserved_nano) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key,
        ledger.new_id(NONCE_LENGTH),
        submission.id,
        submission.tag,
        submission.workflow,
        submission.model,
        submission.lane,
        BatchKind.SYNC if runner else BatchKind.BATCH,
        BatchStatus.SENDING if runner else BatchStatus.QUEUED,
        count,
        count,
        size,
        betas,
        tx.at,
        submission.deadline_ts,
        runner,
        tx.at if runner else None,
        reserved_nano,
    )
    for name in unused:
        ledger.event(tx, "batch.file_set_aside", batch_id=batch_id, file=name)
    return batch_id
