"""One request in full: its body, all its attempts, and the edit that changed it."""

from msgspec import Struct

from state.db.model_sql import REQUEST_MODEL, REQUESTED_MODEL
from state.db.reader import Source
from state.db.sql_conditions import STATUS
from state.files.results_file import file_name
from state.model.records import BatchKind, BatchStatus, Outcome, RequestStatus
from state.model.usage import Usage, usage_in

_AS_THEY_ARE = (
    *("batch_key", "remote_id", "tag", "workflow", "lane"),
    *("requested_model", "model", "error_type"),
    *(
        "error_message",
        "stop_reason",
        "invalid",
        "cost_nano",
        "sync_cost_nano",
        "fee_nano",
        "unpriced",
    ),
    *("edit_id", "created_ts", "sent_ts", "accepted_ts", "ended_ts", "collected_ts", "batch_error"),
)


class FileSpan(Struct, frozen=True):
    """A line in a file: file name, byte offset, byte length."""

    file: str
    offset: int
    length: int


class AttemptRecord(Struct, frozen=True, kw_only=True):
    """One request in one batch: outcome, usage and cost."""

    #: Our name of the batch.
    batch_key: str
    #: The API's id of the batch. None: not accepted.
    remote_id: str | None
    #: Tag of the batch.
    tag: str
    #: Workflow of the batch.
    workflow: str
    #: Lane of the batch.
    lane: str
    #: Batch or synchronous run.
    kind: BatchKind
    #: Status of the batch.
    batch_status: BatchStatus
    #: Last problem of the batch. None: none.
    batch_error: str | None
    #: Model that the body names.
    requested_model: str
    #: Model that answered. None: no answer.
    model: str | None
    #: Whether the request waits for this attempt.
    is_active: bool
    #: Whether this attempt settled the request.
    is_settling: bool
    #: Whether it is of a batch, and the request had ended in an earlier one.
    is_replay: bool
    #: Whether the request had already succeeded; the cost is a duplicate charge.
    is_duplicate: bool
    #: How the attempt ended. None: queued, in flight or not sent.
    outcome: Outcome | None
    #: The API's error type. None: not errored.
    error_type: str | None
    #: The API's error message. None: not errored.
    error_message: str | None
    #: Why the model stopped. None: no answer.
    stop_reason: str | None
    #: What does not match the schema, one line. None: it matches, or there is no schema.
    invalid: str | None
    #: Usage of the answer; zeros without one.
    usage: Usage
    #: Actual cost. None: not ended, or no known price.
    cost_nano: int | None
    #: The same usage at the synchronous price. None: as `cost_nano`.
    sync_cost_nano: int | None
    #: Part of both that is not for tokens, such as web searches.
    fee_nano: int
    #: Why the cost is unknown, one line. None: it is known.
    unpriced: str | None
    #: Row id of the edit that changed the body. None: the body as submitted.
    edit_id: int | None
    #: When the batch was stored.
    created_ts: str
    #: Immediately before the POST. None: not sent.
    sent_ts: str | None
    #: When the API created the batch. None: not accepted.
    accepted_ts: str | None
    #: When processing ended. None: open.
    ended_ts: str | None
    #: When the results were final. None: before that.
    collected_ts: str | None
    #: Where the body that was sent is in the spool.
    body: FileSpan
    #: Where the result line is in the results file. None: no line.
    result: FileSpan | None


class RequestRecord(Struct, frozen=True, kw_only=True):
    """One request with all its attempts, oldest first. `body` is what a replay would send."""

    #: Row id.
    request_id: int
    #: Tag of its submission.
    tag: str
    #: The caller's name; unique in the tag.
    custom_id: str
    #: Queued, in flight, or how it ended.
    status: RequestStatus
    #: Key of its submission.
    submission_key: str
    #: Workflow of its submission.
    workflow: str
    #: Entry `[jobs.NAME]` of titan.toml. None: none.
    job: str | None
    #: Model that the body names.
    model: str
    #: Process that submitted it.
    created_by: str
    #: When it was submitted.
    created_ts: str
    #: When its result is needed. None: no deadline.
    deadline_ts: str | None
    #: Beta headers, comma-separated; "" for none.
    betas: str
    #: Where the body that a replay would send is in the spool.
    body: FileSpan
    #: Oldest first; empty before the first batch is planned.
    attempts: tuple[AttemptRecord, ...]

    @property
    def effective(self) -> AttemptRecord | None:
        """The attempt that counts: the settling one, else the latest ended, else the latest."""
        settling = [a for a in self.attempts if a.is_settling]
        ended = [a for a in self.attempts if a.outcome is not None]
        found = settling or ended or self.attempts
        return found[-1] if found else None

    @property
    def current(self) -> AttemptRecord | None:
        """The attempt that the request waits for, else the effective one."""
        active = [a for a in self.attempts if a.is_active]
        return active[-1] if active else self.effective


def request(source: Source, tag: str, custom_id: str) -> RequestRecord | None:
    """The request with that tag and custom_id."""
    rows = source.rows(
        f"SELECT r.id, r.tag, r.custom_id, {STATUS} AS status, r.betas, s.key AS submission_key,"  # noqa: S608 - our own words
        " s.workflow,"
        f" s.job, {REQUEST_MODEL} AS model,"
        " s.created_by, s.created_ts, s.deadline_ts, r.settled_by,"
        " coalesce(e.spool_file, r.spool_file) AS spool_file,"
        " coalesce(e.body_offset, r.body_offset) AS body_offset,"
        " coalesce(e.body_length, r.body_length) AS body_length"
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        " LEFT JOIN edits e ON e.id = r.edit_id WHERE r.tag = ? AND r.custom_id = ?",
        tag,
        custom_id,
    )
    if not rows:
        return None
    row = rows[0]
    return RequestRecord(
        request_id=row["id"],
        tag=row["tag"],
        custom_id=row["custom_id"],
        status=RequestStatus(row["status"]),
        submission_key=row["submission_key"],
        workflow=row["workflow"],
        job=row["job"],
        model=row["model"],
        created_by=row["created_by"],
        created_ts=row["created_ts"],
        deadline_ts=row["deadline_ts"],
        betas=row["betas"],
        body=FileSpan(row["spool_file"], row["body_offset"], row["body_length"]),
        attempts=_attempts(source, row["id"], row["settled_by"]),
    )


def _attempts(source: Source, request_id: int, settled_by: int | None) -> tuple[AttemptRecord, ...]:
    rows = source.rows(
        "SELECT a.*, b.key AS batch_key, b.remote_id, b.tag, b.workflow, b.lane, b.kind,"  # noqa: S608 - our own words
        f" b.status AS batch_status, {REQUESTED_MODEL} AS requested_model, b.created_ts, b.sent_ts,"
        " b.accepted_ts, b.ended_ts, b.collected_ts, b.last_error AS batch_error,"
        " coalesce(e.spool_file, r.spool_file) AS spool_file,"
        " coalesce(e.body_offset, r.body_offset) AS body_offset,"
        " coalesce(e.body_length, r.body_length) AS body_length"
        " FROM attempts a JOIN batches b ON b.id = a.batch_id JOIN requests r"
        " ON r.id = a.request_id LEFT JOIN edits e ON e.id = a.edit_id"
        " WHERE a.request_id = ? ORDER BY a.batch_id",
        request_id,
    )
    first_end = next((n for n, row in enumerate(rows) if row["outcome"]), len(rows))
    return tuple(
        AttemptRecord(
            **{name: row[name] for name in _AS_THEY_ARE},
            kind=BatchKind(row["kind"]),
            batch_status=BatchStatus(row["batch_status"]),
            is_active=bool(row["active"]),
            is_replay=number > first_end and row["kind"] == BatchKind.BATCH,
            is_settling=row["batch_id"] == settled_by,
            is_duplicate=bool(row["duplicate"]),
            outcome=Outcome(row["outcome"]) if row["outcome"] else None,
            usage=usage_in(row, row["unpriced"]),
            body=FileSpan(row["spool_file"], row["body_offset"], row["body_length"]),
            result=_result_span(row["batch_key"], row["result_offset"], row["result_length"]),
        )
        for number, row in enumerate(rows)
    )


def _result_span(batch_key: str, offset: int | None, length: int | None) -> FileSpan | None:
    if offset is None or length is None:
        return None
    return FileSpan(file_name(batch_key), offset, length)


class EditOrigin(Struct, frozen=True, kw_only=True):
    """The command that gave a request another body."""

    command: str
    who: str
    reason: str


def origin_of(source: Source, edit_id: int | None) -> EditOrigin | None:
    """The command behind an edit; None for a body as submitted."""
    rows = source.rows(
        "SELECT c.key AS command, c.who, c.reason FROM edits e JOIN commands c"
        " ON c.id = e.command_id WHERE e.id = ?",
        edit_id if edit_id is not None else 0,
    )
    return EditOrigin(**dict(rows[0])) if rows else None
