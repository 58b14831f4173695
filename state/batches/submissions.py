"""Stores submissions with their requests and first batches; the same call again stores nothing."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from state.batches import output_schemas, priming_records
from state.batches.batch_planning import insert_batch
from state.batches.priming_records import NewPriming
from state.db.ledger import Ledger, Transaction
from state.db.reader import Reader, Source
from state.db.rows import to_submission
from state.db.staged import Columns, Staged
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted
from state.model.records import (
    NewSubmission,
    SpooledRequest,
    Submission,
    of_lane,
)

# The part of staged requests that are in no batch: a fallback file has their answers.
NO_PART = -1
# The part of the requests that a primed submission sends first.
_FIRST_PART = -2
# The fields of SpooledRequest, in their order.
_COLUMNS: Columns = {
    "custom_id": str,
    "body_offset": int,
    "body_length": int,
    "sha256": bytes,
    "part": int,
    "betas": str,
    "at_most_batch_nano": int,
    "at_most_sync_nano": int,
    "model": str,
    "schema_sha256": bytes,
    "schema": str,
}


def staged(
    ledger: Ledger, requests: Iterable[SpooledRequest] = ()
) -> AbstractContextManager[Staged]:
    """Stage the requests of one call in a temporary table, in order."""
    return ledger.staged(_COLUMNS, requests)


def read_existing(
    reader: Reader, requests: Iterable[SpooledRequest], tag: str
) -> Submission | None:
    """Return the submission of that call, without writing to the ledger."""
    staged = reader.staged(_COLUMNS, requests)
    return find_existing(reader, staged, tag) or _of_a_lost_tag(reader, staged)


def find_existing(source: Source, staged: Staged | str, tag: str) -> Submission | None:
    """Return the submission with exactly the staged requests; None if all of them are new.

    Raises AlreadySubmitted if only some of them are known, or one has another body.
    """
    (count,) = source.rows(f"SELECT count(*) FROM {staged}")[0]  # noqa: S608 - our own table
    known = source.rows(
        f"SELECT r.submission_id, count(*) AS n FROM {staged} n"  # noqa: S608 - our own words
        " JOIN requests r ON r.tag = ? AND r.custom_id = n.custom_id GROUP BY r.submission_id",
        tag,
    )
    if not known:
        return None
    changed = source.rows(
        f"SELECT n.custom_id, s.key, s.lane FROM {staged} n"  # noqa: S608 - our own words
        " JOIN requests r ON r.tag = ? AND r.custom_id = n.custom_id"
        " JOIN submissions s ON s.id = r.submission_id"
        " WHERE r.body_sha256 <> n.sha256 OR r.betas <> n.betas ORDER BY n.position LIMIT 1",
        tag,
    )
    if changed:
        raise AlreadySubmitted(
            f"custom_id {changed[0]['custom_id']!r} is already in"
            f" {changed[0]['key']}{of_lane(changed[0]['lane'])} under tag {tag!r} with another"
            " body. Give the new request another custom_id, or another tag."
        )
    submission = to_submission(
        source.rows("SELECT * FROM submissions WHERE id = ?", known[0]["submission_id"])[0]
    )
    if len(known) == 1 and known[0]["n"] == count == submission.request_count:
        return submission
    raise AlreadySubmitted(_some_are_known(source, staged, tag, count))


def _of_a_lost_tag(source: Source, staged: Staged | str) -> Submission | None:
    """The submission with exactly these requests whose tag a rebuild could not find out."""
    found = source.rows(
        "SELECT * FROM submissions s WHERE s.tag = s.key"  # noqa: S608 - our own table
        f" AND s.request_count = (SELECT count(*) FROM {staged}) AND NOT EXISTS (SELECT 1"
        f" FROM {staged} n WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.tag = s.tag"
        " AND r.custom_id = n.custom_id AND r.body_sha256 = n.sha256)) ORDER BY s.id LIMIT 1"
    )
    return to_submission(found[0]) if found else None


def with_same_requests(source: Source, staged: Staged) -> Submission | None:
    """A submission under any tag with exactly these requests."""
    found = source.rows(
        "SELECT * FROM submissions s"  # noqa: S608 - our own table
        f" WHERE s.request_count = (SELECT count(*) FROM {staged}) AND NOT EXISTS (SELECT 1"
        f" FROM {staged} n WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.tag = s.tag"
        " AND r.submission_id = s.id AND r.custom_id = n.custom_id AND r.body_sha256 = n.sha256))"
        " ORDER BY s.id LIMIT 1"
    )
    return to_submission(found[0]) if found else None


def _give_tag(ledger: Ledger, tx: Transaction, submission: Submission, tag: str) -> Submission:
    """Inside a transaction: the job that submits the same requests again names the lost tag."""
    ledger.execute("UPDATE submissions SET tag = ? WHERE id = ?", tag, submission.id)
    ledger.execute("UPDATE requests SET tag = ? WHERE submission_id = ?", tag, submission.id)
    ledger.execute("UPDATE batches SET tag = ? WHERE submission_id = ?", tag, submission.id)
    for row in ledger.rows("SELECT id FROM batches WHERE submission_id = ?", submission.id):
        ledger.event(tx, "batch.tag_recovered", batch_id=row["id"], tag=tag)
    # Every line of the submission in the mirror files has its tag.
    ledger.execute("DELETE FROM mirrors")
    return to_submission(ledger.rows("SELECT * FROM submissions WHERE id = ?", submission.id)[0])


def _some_are_known(source: Source, staged: Staged | str, tag: str, count: int) -> str:
    known = source.rows(
        f"SELECT n.custom_id, s.key, s.lane FROM {staged} n"  # noqa: S608 - our own words
        " JOIN requests r ON r.tag = ? AND r.custom_id = n.custom_id"
        " JOIN submissions s ON s.id = r.submission_id ORDER BY n.position",
        tag,
    )
    return (
        f"{len(known)} of {count} requests are already under tag {tag!r}, the first is"
        f" custom_id {known[0]['custom_id']!r} in"
        f" {known[0]['key']}{of_lane(known[0]['lane'])}."
        " Leave them out, or submit all of them under another tag."
    )


def is_known(ledger: Ledger, key: str) -> bool:
    """Return whether the ledger has a submission of that key."""
    return ledger.row("SELECT 1 FROM submissions WHERE key = ?", key) is not None


def store(
    ledger: Ledger,
    staged: Staged,
    new: NewSubmission,
    *,
    wire_overhead: int,
    check_budgets: Callable[[], None] = lambda: None,
    priming: NewPriming | None = None,
    after: Callable[[Transaction, Submission, bool], None] | None = None,
) -> tuple[Submission, bool]:
    """Store the staged requests, their batches and attempts, in one transaction.

    `wire_overhead` is the number of bytes that the nonce adds to a request. `check_budgets` raises
    to reject a new submission, `priming` names the requests that are sent first, and `after` runs
    last in the transaction. Returns the submission, and whether it is new: the same call made
    again is the same submission.
    """
    with ledger.transaction("submit") as tx:
        submission = find_existing(ledger, staged, new.tag)
        if submission is None and (lost := _of_a_lost_tag(ledger, staged)) is not None:
            submission = _give_tag(ledger, tx, lost, new.tag)
        is_new = submission is None
        if submission is None:
            check_budgets()
            submission = insert(ledger, tx, staged, new, status="assigned")
            if priming is not None:
                priming_records.put_first(ledger, staged, _FIRST_PART, priming)
            first_id = _add_parts(ledger, tx, staged, submission, wire_overhead)
            if priming is not None:
                priming_records.add(ledger, tx, submission.id, first_id, priming)
        if after is not None:
            after(tx, submission, is_new)
    return submission, is_new


def _add_parts(
    ledger: Ledger, tx: Transaction, staged: Staged, submission: Submission, wire_overhead: int
) -> int:
    """Add a queued batch for each part, in which all requests have the same betas.

    Returns the id of the first request; the others follow in the order of the staged rows.
    """
    (first,) = ledger.rows("SELECT min(id) FROM requests WHERE submission_id = ?", submission.id)[0]
    for part in ledger.rows(
        "SELECT part, betas, count(*) AS count, sum(body_length) AS size,"  # noqa: S608 - our own words
        f" coalesce(sum(at_most_batch_nano), 0) AS reserved FROM {staged}"
        " WHERE part <> ? GROUP BY part, betas ORDER BY part, betas",
        NO_PART,
    ):
        batch_id = insert_batch(
            ledger,
            tx,
            submission,
            betas=part["betas"],
            count=part["count"],
            size=part["size"] + part["count"] * wire_overhead,
            reserved_nano=part["reserved"],
        )
        ledger.execute(
            "INSERT INTO attempts (batch_id, request_id, active)"  # noqa: S608 - our own words
            f" SELECT ?, ? + position - 1, 1 FROM {staged} WHERE part = ? AND betas = ?"
            " ORDER BY position",
            batch_id,
            first,
            part["part"],
            part["betas"],
        )
        ledger.event(tx, "batch.queued", batch_id=batch_id, requests=part["count"])
    return first


def insert(
    ledger: Ledger,
    tx: Transaction,
    staged: Staged,
    new: NewSubmission,
    *,
    status: str = "queued",
) -> Submission:
    """Inside a transaction: store the submission and its staged requests with `status`.

    Their spool file, which is uploaded where hosts share the ledger, is kept.
    """
    ledger.files.keep(Folder(ledger.path.parent).spool / new.spool_file)
    submission_id = _insert_submission(ledger, staged, new)
    output_schemas.add_staged(ledger, staged)
    ledger.execute(
        "INSERT INTO requests (id, tag, custom_id, submission_id, status, betas, spool_file,"  # noqa: S608 - our own words
        " body_offset, body_length, body_sha256, at_most_batch_nano, at_most_sync_nano,"
        " model, schema_id) SELECT ? + position - 1, ?, custom_id, ?, ?, betas, ?, body_offset,"
        " body_length, sha256, at_most_batch_nano, at_most_sync_nano, nullif(model, ?),"
        " (SELECT o.id FROM output_schemas o WHERE o.sha256 = schema_sha256)"
        f" FROM {staged} ORDER BY position",
        ledger.next_id("requests"),
        new.tag,
        submission_id,
        status,
        new.spool_file,
        new.model,
    )
    submission = to_submission(
        ledger.rows("SELECT * FROM submissions WHERE id = ?", submission_id)[0]
    )
    ledger.event(tx, "submission.created", subject=new.key, requests=submission.request_count)
    return submission


def _insert_submission(ledger: Ledger, staged: Staged, new: NewSubmission) -> int:
    return ledger.insert(
        "INSERT INTO submissions (key, tag, workflow, job, model, work_date, deadline_ts,"  # noqa: S608 - our own words
        " on_failure, request_count, created_by, created_ts, reask, continue_turns,"
        " on_max_tokens, lane, host)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT count(*) FROM {staged}), ?, ?, ?, ?, ?, ?, ?)",
        new.key,
        new.tag,
        new.workflow,
        new.job,
        new.model,
        new.work_date,
        new.deadline_ts,
        new.on_failure,
        new.created_by,
        new.created_ts,
        new.follow_ups.reask,
        new.follow_ups.continue_turns,
        new.follow_ups.on_max_tokens,
        new.lane,
        new.host or ledger.host,
    )
