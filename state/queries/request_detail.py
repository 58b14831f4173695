"""One request in full: its body, all its attempts, and the edit that changed it."""

from msgspec import Struct

from state.db.conditions import STATUS
from state.db.reader import Source
from state.files.results_file import file_name
from state.model.records import BatchStatus, Kind, Outcome, RequestStatus, Usage

_TOKENS = (
    *("input_tokens", "output_tokens", "cache_write_5m_tokens"),
    *("cache_write_1h_tokens", "cache_read_tokens"),
)
_AS_THEY_ARE = (
    *("batch_key", "remote_id", "tag", "workflow", "requested_model", "model", "error_type"),
    *("error_message", "stop_reason", "cost_nano", "sync_cost_nano", "edit_id", "created_ts"),
    *("sent_ts", "accepted_ts", "ended_ts", "collected_ts", "batch_error"),
)


class FileSpan(Struct, frozen=True):
    """A line in a file: file name, byte offset, byte length."""

    file: str
    offset: int
    length: int


class AttemptRecord(Struct, frozen=True, kw_only=True):
    """One request in one batch. Money in nano-dollars."""

    batch_key: str
    remote_id: str | None
    tag: str
    workflow: str
    kind: Kind
    batch_status: BatchStatus
    batch_error: str | None
    requested_model: str
    model: str | None
    is_active: bool
    is_settling: bool
    is_duplicate: bool
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    usage: Usage
    cost_nano: int | None
    sync_cost_nano: int | None
    edit_id: int | None
    created_ts: str
    sent_ts: str | None
    accepted_ts: str | None
    ended_ts: str | None
    collected_ts: str | None
    body: FileSpan
    result: FileSpan | None


class RequestRecord(Struct, frozen=True, kw_only=True):
    """One request with all its attempts, oldest first. `body` is what a replay would send."""

    request_id: int
    tag: str
    custom_id: str
    status: RequestStatus
    submission_key: str
    workflow: str
    job: str | None
    model: str
    created_by: str
    created_ts: str
    deadline_ts: str | None
    betas: str
    body: FileSpan
    attempts: tuple[AttemptRecord, ...]

    @property
    def counting(self) -> AttemptRecord | None:
        """The attempt that counts: the settling one, else the latest ended, else the latest."""
        settling = [a for a in self.attempts if a.is_settling]
        ended = [a for a in self.attempts if a.outcome is not None]
        found = settling or ended or self.attempts
        return found[-1] if found else None


def request(source: Source, tag: str, custom_id: str) -> RequestRecord | None:
    """The request with that tag and custom_id."""
    rows = source.rows(
        f"SELECT r.id, r.tag, r.custom_id, {STATUS} AS status, r.betas, s.key AS submission_key,"  # noqa: S608 - our own words
        " s.workflow,"
        " s.job, s.model, s.created_by, s.created_ts, s.deadline_ts, r.settled_by,"
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
        "SELECT a.*, b.key AS batch_key, b.remote_id, b.tag, b.workflow, b.kind,"
        " b.status AS batch_status, b.model AS requested_model, b.created_ts, b.sent_ts,"
        " b.accepted_ts, b.ended_ts, b.collected_ts, b.last_error AS batch_error,"
        " coalesce(e.spool_file, r.spool_file) AS spool_file,"
        " coalesce(e.body_offset, r.body_offset) AS body_offset,"
        " coalesce(e.body_length, r.body_length) AS body_length"
        " FROM attempts a JOIN batches b ON b.id = a.batch_id JOIN requests r"
        " ON r.id = a.request_id LEFT JOIN edits e ON e.id = a.edit_id"
        " WHERE a.request_id = ? ORDER BY a.batch_id",
        request_id,
    )
    return tuple(
        AttemptRecord(
            **{name: row[name] for name in _AS_THEY_ARE},
            kind=Kind(row["kind"]),
            batch_status=BatchStatus(row["batch_status"]),
            is_active=bool(row["active"]),
            is_settling=row["batch_id"] == settled_by,
            is_duplicate=bool(row["duplicate"]),
            outcome=Outcome(row["outcome"]) if row["outcome"] else None,
            usage=Usage(**{name: row[name] for name in _TOKENS}),
            body=FileSpan(row["spool_file"], row["body_offset"], row["body_length"]),
            result=_result_place(row["batch_key"], row["result_offset"], row["result_length"]),
        )
        for row in rows
    )


def _result_place(batch_key: str, offset: int | None, length: int | None) -> FileSpan | None:
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
