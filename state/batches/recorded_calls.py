"""Synchronous runs that jobs made by themselves and reported with `record_sync`."""

from state.batches import totals
from state.batches.batch_planning import NONCE_LENGTH
from state.db.ledger import Ledger
from state.db.rows import to_batch
from state.model.records import CollectedResult
from state.model.usage import USAGE_COLUMNS

_COLUMNS = (
    *("batch_id", "request_id", "active", "outcome", "model", *USAGE_COLUMNS),
    *("cost_nano", "sync_cost_nano", "fee_nano", "unpriced"),
)

# The lane of synchronous calls that jobs made themselves and reported.
RECORDED = "recorded"


def record(
    ledger: Ledger,
    *,
    key: str,
    tag: str,
    workflow: str,
    model: str,
    answered: CollectedResult,
) -> str:
    """A batch of kind `sync` with one succeeded attempt; the key, an earlier one if it is known.

    It has no body and no results file, and no staging file takes it up: its work date is empty.
    """
    with ledger.transaction("record_sync") as tx:
        known = ledger.row(
            "SELECT s.key FROM requests r JOIN submissions s ON s.id = r.submission_id"
            " WHERE r.tag = ? AND r.custom_id = ?",
            tag,
            answered.custom_id,
        )
        if known is not None:
            return str(known["key"])
        submission_id = ledger.insert(
            "INSERT INTO submissions (key, tag, workflow, model, work_date, on_failure,"
            " request_count, created_by, created_ts, finished_ts, delivered_ts)"
            " VALUES (?, ?, ?, ?, '', 'sync', 1, ?, ?, ?, ?)",
            *(key, tag, workflow, model, ledger.actor),
            *(tx.at, tx.at, tx.at),
        )
        batch_id = _batch(ledger, submission_id, answered)
        _request(ledger, submission_id, batch_id, answered)
        ledger.event(tx, "batch.collected", batch_id=batch_id, recorded=True, new=1)
        batch = to_batch(ledger.rows("SELECT * FROM batches WHERE id = ?", batch_id)[0])
        totals.add(ledger, tx, batch)
    return key


def _batch(ledger: Ledger, submission_id: int, answered: CollectedResult) -> int:
    return ledger.insert(
        "INSERT INTO batches (key, nonce, submission_id, tag, workflow, model, lane, kind, status,"
        " collection, request_count, succeeded, created_ts, sent_ts, accepted_ts, ended_ts,"
        " collected_ts, cost_nano, sync_cost_nano, unpriced)"
        " SELECT key, ?, id, tag, workflow, model, ?, 'sync', 'ended', 'collected', 1, 1,"
        " created_ts, created_ts, created_ts, created_ts, created_ts, ?, ?, ?"
        " FROM submissions WHERE id = ?",
        ledger.new_id(NONCE_LENGTH),
        RECORDED,
        answered.cost_nano or 0,
        answered.sync_cost_nano or 0,
        int(answered.cost_nano is None),
        submission_id,
    )


def _request(ledger: Ledger, submission_id: int, batch_id: int, answered: CollectedResult) -> None:
    request_id = ledger.next_id("requests")
    ledger.execute(
        "INSERT INTO requests (id, tag, custom_id, submission_id, status, spool_file, body_offset,"
        " body_length, body_sha256, settled_by)"
        " SELECT ?, tag, ?, id, 'succeeded', '', 0, 0, ?, ? FROM submissions WHERE id = ?",
        request_id,
        answered.custom_id,
        b"",
        batch_id,
        submission_id,
    )
    values = (
        *(batch_id, request_id, 0, "succeeded", answered.model, *answered.usage.values()),
        *(answered.cost_nano, answered.sync_cost_nano, answered.fee_nano, answered.unpriced),
    )
    ledger.execute(
        f"INSERT INTO attempts ({', '.join(_COLUMNS)})"  # noqa: S608 - our own words
        f" VALUES ({', '.join('?' * len(_COLUMNS))})",
        *values,
    )
