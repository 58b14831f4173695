"""Stores the results of a batch: staged in a temporary table, then committed in one transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from msgspec import Struct

from state.batches import guessed_requests, totals
from state.batches.sending import finish_submission, settle_by_earlier_answers
from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger, Transaction
from state.db.sql_conditions import OUTCOME_COUNTS
from state.db.staged import Columns, Staged
from state.model.records import Batch, Collected, CollectionStatus, StagedResult
from state.model.usage import USAGE_COLUMNS

_TEXT = (
    *("outcome", "error_type", "error_message", "stop_reason", "model"),
    *("inference_geo", "service_tier", "speed", "iterations", "unpriced", "invalid"),
)
_STAGED = (
    *("request_id", "outcome", "error_type", "error_message", "stop_reason", "model"),
    *USAGE_COLUMNS,
    *("cost_nano", "sync_cost_nano", "fee_nano", "unpriced", "result_offset", "result_length"),
    "invalid",
)
_COLUMNS: Columns = {name: str if name in _TEXT else int for name in _STAGED}
_COPIED = [name for name in _STAGED if name not in ("request_id", "sync_cost_nano")]

# Of a staged result `s`: the body that this attempt sent has another answer. A request `r` that has
# no edit and no answer is the usual one, and needs no search.
_IS_DUPLICATE = (
    "s.outcome = 'succeeded' AND (r.status = 'succeeded' OR r.edit_id IS NOT NULL)"
    " AND EXISTS (SELECT 1 FROM attempts o WHERE o.request_id = r.id AND o.outcome = 'succeeded'"
    " AND o.batch_id <> attempts.batch_id"
    " AND coalesce(o.edit_id, 0) = coalesce(attempts.edit_id, 0))"
)


class Completion(Struct, frozen=True, kw_only=True):
    """The final state of a batch that lacks results, and the reason as each request has it."""

    status: CollectionStatus
    reason: str


def staged(ledger: Ledger, results: Iterable[StagedResult] = ()) -> AbstractContextManager[Staged]:
    """Stage results of one batch in a temporary table; `commit` stores them."""
    return ledger.staged(_COLUMNS, results, key="request_id")


def ids_of(ledger: Ledger, batch: Batch) -> Iterator[tuple[str, int, bool]]:
    """Yield each request of the batch: custom_id, id, and whether its result is stored already."""
    return ledger.tuples(
        "SELECT r.custom_id, r.id, a.outcome IS NOT NULL AND a.outcome <> 'missing'"
        " FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.batch_id = ?"
        " ORDER BY a.request_id",
        batch.id,
    )


def stored_lines(ledger: Ledger, batch: Batch) -> Iterator[tuple[str, int, int]]:
    """Yield where the results of earlier tries are: custom_id, offset and length of the line."""
    return ledger.tuples(
        "SELECT r.custom_id, a.result_offset, a.result_length FROM attempts a"
        " JOIN requests r ON r.id = a.request_id"
        " WHERE a.batch_id = ? AND a.result_offset IS NOT NULL ORDER BY a.result_offset",
        batch.id,
    )


def is_any_stored(ledger: Ledger, batch: Batch) -> bool:
    """Whether a try has been committed that stored results, or completed the batch."""
    sql = "SELECT 1 FROM batches WHERE id = ? AND (results_bytes > 0 OR collection <> 'pending')"
    return ledger.row(sql, batch.id) is not None


def unlisted_id(ledger: Ledger, batch: Batch, custom_id: str) -> int | None:
    """The id of a request that the results of the batch name, and `ids_of` does not.

    The attempt was deleted, or a rebuild could not know that the batch has the request.
    """
    row = ledger.row(
        "SELECT id FROM requests WHERE tag = ? AND custom_id = ?", batch.tag, custom_id
    )
    return int(row["id"]) if row else None


def long_ids(ledger: Ledger, batch: Batch, longer_than: int) -> list[str]:
    """Return the custom_ids of the batch with more than `longer_than` characters."""
    return [
        row[0]
        for row in ledger.tuples(
            "SELECT r.custom_id FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE a.batch_id = ? AND length(r.custom_id) > ?",
            batch.id,
            longer_than,
        )
    ]


def count_unstaged(ledger: Ledger, batch: Batch, staged: Staged) -> int:
    """How many results that earlier tries stored were not staged again."""
    (count,) = ledger.rows(
        "SELECT count(*) FROM attempts WHERE batch_id = ? AND result_offset IS NOT NULL"  # noqa: S608 - our own words
        f" AND request_id NOT IN (SELECT request_id FROM {staged})",
        batch.id,
    )[0]
    return int(count)


def commit(
    ledger: Ledger,
    batch: Batch,
    staged: Staged,
    *,
    results_bytes: int,
    end: Completion | None = None,
    problem: str | None = None,
    unlisted: Sequence[int] = (),
    replace_part: Callable[[], None] = lambda: None,
) -> Collected:
    """Store the staged results in one transaction: attempts, requests, totals, batch and file.

    `replace_part` renames the results file of this try to the one the ledger names. A result that
    an earlier try stored is staged again only where that file was written anew. `problem`
    describes defects of the response, None without any. `unlisted` are staged requests without an
    attempt of this batch, which get one. If a request has no result, it is `missing` and `end` says
    why; without `end` the batch stays `pending`, and a later try stores the rest.

    Before, and checked first: the batch is `pending` and no other process has committed a try
    since `batch` was read. Otherwise nothing changes, and the other process's file stays.

    After, whatever was staged and however often a process was killed before:

    - Each staged result is the outcome of exactly one attempt. An attempt that had an outcome keeps
      it; only `missing` is replaced.
    - A request is settled by the first success of its newest body. A later success of the same body
      is stored with its cost as a duplicate; one of an earlier body counts only where the newest
      body has none.
    - A failure changes the status of a request only if no other attempt of it is active and no
      attempt succeeded.
    - The sums of the batch equal the sums of its attempts: they are counted again, not added to.
    - The batch has totals and is in those of its day once, added by the try that completed it.
    - Bytes of the results file up to `results_bytes` are on disk and hold each stored result.
    """
    with ledger.transaction("collect") as tx:
        if not ledger.row(
            "SELECT 1 FROM batches WHERE id = ? AND collection = 'pending' AND collect_tries = ?",
            batch.id,
            batch.collect_tries,
        ):
            # Another poll has committed since; its file is the valid one.
            return Collected(new=0, missing=0, complete=True)
        replace_part()
        if batch.results_bytes:
            _store_places(ledger, staged, batch)
        _add_attempts(ledger, batch, unlisted)
        new = _end_attempts(ledger, staged, batch)
        missing = _count_missing(ledger, batch)
        if missing and (end or _has_all_outcomes(ledger, batch)):
            guessed_requests.hand_over(ledger, batch.id)
            missing = _count_missing(ledger, batch)
        if missing and end:
            ledger.execute(
                "UPDATE attempts SET outcome = 'missing', cost_nano = 0, sync_cost_nano = 0,"
                " active = 0, error_message = ? WHERE batch_id = ? AND outcome IS NULL",
                end.reason,
                batch.id,
            )
        _settle_requests(ledger, batch)
        complete = not missing or end is not None
        if complete:
            _requeue_canceled(ledger, tx, batch)
        _store_sums(
            ledger,
            tx,
            batch,
            collection=(end.status if missing and end else CollectionStatus.COLLECTED)
            if complete
            else CollectionStatus.PENDING,
            results_bytes=results_bytes,
            problem=problem,
        )
        ledger.event(
            tx,
            "batch.collected" if complete else "batch.partly_collected",
            batch_id=batch.id,
            new=new,
            missing=missing,
            **({"problem": problem} if problem else {}),
        )
        if complete:
            totals.add(ledger, tx, batch)
            finish_submission(ledger, tx, batch.submission_id)
    return Collected(new=new, missing=missing, complete=complete)


def _add_attempts(ledger: Ledger, batch: Batch, request_ids: Sequence[int]) -> None:
    if request_ids:
        guessed_requests.disprove(ledger, batch, request_ids)
        ledger.execute(
            "INSERT INTO attempts (batch_id, request_id, active)"  # noqa: S608 - our own words
            f" SELECT ?, value, 0 FROM {LISTED} listed WHERE true ON CONFLICT DO NOTHING",
            batch.id,
            as_list(request_ids),
        )


def _store_places(ledger: Ledger, staged: Staged, batch: Batch) -> None:
    """Where the results of earlier tries are in the file that was written anew."""
    ledger.execute(
        "UPDATE attempts SET result_offset = s.result_offset, result_length = s.result_length"  # noqa: S608 - our own words
        f" FROM {staged} s WHERE attempts.batch_id = ? AND attempts.request_id = s.request_id"
        " AND attempts.result_offset IS NOT NULL",
        batch.id,
    )


def _end_attempts(ledger: Ledger, staged: Staged, batch: Batch) -> int:
    """Store outcome, usage and cost of each result; a second success of a body is a duplicate."""
    copied = ", ".join(f"{name} = s.{name}" for name in _COPIED)
    return ledger.execute(
        f"UPDATE attempts SET {copied}, active = 0,"  # noqa: S608 - our own column names
        # A synchronous job would not have sent an answered request again.
        f" sync_cost_nano = CASE WHEN {_IS_DUPLICATE} THEN 0 ELSE s.sync_cost_nano END,"
        f" duplicate = CASE WHEN {_IS_DUPLICATE} THEN 1 ELSE 0 END"
        f" FROM {staged} s JOIN requests r ON r.id = s.request_id"
        " WHERE attempts.batch_id = ? AND attempts.request_id = s.request_id"
        " AND (attempts.outcome IS NULL OR attempts.outcome = 'missing')",
        batch.id,
    )


def _count_missing(ledger: Ledger, batch: Batch) -> int:
    (count,) = ledger.rows(
        "SELECT count(*) FROM attempts WHERE batch_id = ? AND outcome IS NULL", batch.id
    )[0]
    return count


def _has_all_outcomes(ledger: Ledger, batch: Batch) -> bool:
    (count,) = ledger.rows(
        "SELECT count(*) FROM attempts WHERE batch_id = ? AND outcome IS NOT NULL", batch.id
    )[0]
    return count >= batch.request_count


def _settle_requests(ledger: Ledger, batch: Batch) -> None:
    """Settle requests by the first success of their newest body; a failure ends them in flight.

    A request that had succeeded, was sent again and failed, is settled by its earlier success.
    """
    ledger.execute(
        "UPDATE requests SET status = 'succeeded', settled_by = CASE a.duplicate"
        # A rebuild may collect the first answer to a body before it knows the body as the newest.
        " WHEN 1 THEN coalesce((SELECT min(first.batch_id) FROM attempts first"
        " WHERE first.request_id = requests.id AND first.outcome = 'succeeded'"
        " AND first.duplicate = 0 AND coalesce(first.edit_id, 0) = coalesce(a.edit_id, 0)),"
        " a.batch_id) ELSE a.batch_id END FROM attempts a"
        " WHERE a.batch_id = ? AND a.request_id = requests.id AND a.outcome = 'succeeded'"
        " AND requests.status <> 'succeeded'"
        " AND coalesce(a.edit_id, 0) = coalesce(requests.edit_id, 0)",
        batch.id,
    )
    ledger.execute(
        "UPDATE requests SET status = a.outcome FROM attempts a"
        " WHERE a.batch_id = ? AND a.request_id = requests.id AND a.outcome <> 'succeeded'"
        " AND requests.status = 'assigned' AND NOT EXISTS"
        " (SELECT 1 FROM attempts other WHERE other.request_id = requests.id AND other.active = 1)",
        batch.id,
    )
    settle_by_earlier_answers(ledger, batch.id)


def _requeue_canceled(ledger: Ledger, tx: Transaction, batch: Batch) -> None:
    """Queue what was canceled only because most of the batch runs synchronously now.

    Its attempts are deleted, so that they count neither as requests nor as errors. The requests of
    the run itself stay canceled until it takes them.
    """
    returned = (
        "SELECT a.request_id FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " WHERE b.id = ? AND b.requeue_canceled = 1 AND a.outcome = 'canceled'"
        " AND a.request_id NOT IN (SELECT i.item_id FROM command_items i JOIN commands c"
        " ON c.id = i.command_id WHERE c.action = 'sync' AND c.state IN ('pending', 'running'))"
    )
    ids = [row[0] for row in ledger.rows(returned, batch.id)]
    if not ids:
        return
    ledger.execute(
        f"UPDATE requests SET status = 'queued' WHERE status = 'canceled' AND id IN {LISTED}",  # noqa: S608 - our own words
        as_list(ids),
    )
    ledger.execute(
        f"DELETE FROM attempts WHERE batch_id = ? AND request_id IN {LISTED}",  # noqa: S608 - as above
        batch.id,
        as_list(ids),
    )
    ledger.event(tx, "batch.requests_requeued", batch_id=batch.id, requests=len(ids))


def _store_sums(
    ledger: Ledger,
    tx: Transaction,
    batch: Batch,
    *,
    collection: CollectionStatus,
    results_bytes: int,
    problem: str | None,
) -> None:
    """Count costs of the batch again from its attempts, and its outcomes once it is collected."""
    ledger.execute(
        "UPDATE batches SET (cost_nano, sync_cost_nano, unpriced, duplicate_nano) = (SELECT"
        " coalesce(sum(cost_nano), 0), coalesce(sum(sync_cost_nano), 0),"
        " count(*) FILTER (WHERE outcome = 'succeeded' AND cost_nano IS NULL),"
        " coalesce(sum(cost_nano) FILTER (WHERE duplicate = 1), 0)"
        " FROM attempts WHERE batch_id = batches.id AND outcome IS NOT NULL),"
        " collection = ?, collected_ts = ?, collect_tries = collect_tries + 1,"
        " results_bytes = ?, next_poll_ts = NULL, last_error = ? WHERE id = ?",
        collection,
        None if collection == CollectionStatus.PENDING else tx.at,
        results_bytes,
        problem,
        batch.id,
    )
    if collection != CollectionStatus.PENDING:
        ledger.execute(
            "UPDATE batches SET (processing, succeeded, errored, canceled, expired) = (SELECT 0,"  # noqa: S608 - our own words
            f" {OUTCOME_COUNTS} FROM attempts WHERE batch_id = batches.id) WHERE id = ?",
            batch.id,
        )
