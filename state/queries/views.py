"""Read models: what screens and reports show, as records, straight from the tables."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from state.db.reader import Source
from state.db.rows import to_batch, to_submission
from state.model.errors import UnknownId
from state.model.records import Batch, Event, Hold, Outcome, RequestStatus, Submission, Usage
from state.operations import counting_attempt, reviews

_PAGE = 1000
# The words of the partial index, so that SQLite sees that it may use it.
_TO_DO = "r.status NOT IN ('in_flight', 'succeeded')"
_OPEN = "(status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending')"
FAILED = (
    RequestStatus.ERRORED,
    RequestStatus.EXPIRED,
    RequestStatus.CANCELED,
    RequestStatus.MISSING,
)


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over the whole ledger. Money in nano-dollars."""

    batches: int
    requests: int
    open_batches: int
    waiting_requests: int
    failed_requests: int
    succeeded: int
    cost_nano: int
    sync_cost_nano: int
    duplicate_nano: int
    unpriced: int
    # Answers that were cut off, refused or left unfinished, and that nobody has looked at.
    reviews: int

    @property
    def savings_nano(self) -> int:
        """What the same answers would have cost synchronously, less what they cost."""
        return self.sync_cost_nano - self.cost_nano


class ErrorRow(Struct, frozen=True, kw_only=True):
    """A request whose last attempt failed and that nobody has settled."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    batch_key: str
    remote_id: str | None
    outcome: Outcome
    error_type: str | None
    error_message: str | None
    attempts: int
    ended_ts: str | None


class ResultRow(Struct, frozen=True, kw_only=True):
    """A request with the attempt that counts."""

    request_id: int
    custom_id: str
    tag: str
    status: RequestStatus
    batch_key: str | None
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    model: str | None
    usage: Usage
    cost_nano: int | None
    result_offset: int | None
    result_length: int | None


class Told(NamedTuple):
    """A request and the attempt that counts, as a delivered file reports them."""

    custom_id: str
    outcome: str | None
    error_type: str | None
    error_message: str | None
    cost_nano: int | None
    batch_key: str | None
    result_offset: int | None
    result_length: int | None


class Poller(Struct, frozen=True, kw_only=True):
    """When a poll last ran, what it said, and who holds the lease now."""

    last_started_ts: str | None
    last_finished_ts: str | None
    last_summary: dict[str, object]
    lease_holder: str | None
    lease_expires_ts: str | None


def revision(source: Source) -> int:
    """The number of the newest change."""
    return int(source.rows("SELECT value FROM revision")[0][0])


def open_batches(source: Source) -> list[Batch]:
    """Batches that still need the API, us, or an operator; oldest first."""
    return _batches(source, f"{_OPEN} ORDER BY id")


def count_open(source: Source) -> int:
    """How many batches still need the API, us, or an operator."""
    sql = f"SELECT count(*) FROM batches WHERE {_OPEN}"  # noqa: S608 - our own words
    return int(source.rows(sql)[0][0])


def closed_batches(source: Source, *, limit: int) -> list[Batch]:
    """The latest batches that need nothing more, newest first; released rows left out."""
    return _batches(
        source,
        "status = 'rejected' OR (status = 'ended'"
        " AND collection NOT IN ('not_ready', 'pending'))"
        " ORDER BY ended_ts DESC LIMIT ?",
        limit,
    )


def changed_batches(source: Source, *, since_rev: int, limit: int = 500) -> list[Batch]:
    """Batches that changed after that revision, in the order of their change."""
    return _batches(source, "rev > ? ORDER BY rev LIMIT ?", since_rev, limit)


def batches_of(source: Source, submission: Submission) -> list[Batch]:
    """Every batch that carried requests of the submission, in order."""
    return _batches(
        source,
        "id IN (SELECT a.batch_id FROM requests r JOIN attempts a ON a.request_id = r.id"
        " WHERE r.submission_id = ?) ORDER BY id",
        submission.id,
    )


def _batches(source: Source, where: str, *parameters: str | int) -> list[Batch]:
    sql = f"SELECT * FROM batches WHERE {where}"  # noqa: S608 - our own words
    return [to_batch(row) for row in source.rows(sql, *parameters)]


def submissions_of(source: Source, tag: str) -> list[Submission]:
    """Every submission under the tag, oldest first."""
    rows = source.rows("SELECT * FROM submissions WHERE tag = ? ORDER BY id", tag)
    return [to_submission(row) for row in rows]


def find(source: Source, name: str) -> tuple[list[Submission], list[Batch]]:
    """What a key, a remote id or a tag means: the submissions, and their batches.

    A batch's own key or remote id gives that batch alone. Raises UnknownId.
    """
    submissions = [
        to_submission(row)
        for row in source.rows(
            "SELECT * FROM submissions WHERE key = ? OR id ="
            " (SELECT submission_id FROM fallback_imports WHERE key = ?)",
            name,
            name,
        )
    ] or submissions_of(source, name)
    if submissions:
        batches = [batch for s in submissions for batch in batches_of(source, s)]
        return submissions, batches
    batches = _batches(source, "key = ? OR remote_id = ?", name, name)
    if not batches:
        raise UnknownId(
            f"Nothing is known as {name!r}: it is no key, no remote id and no tag of this ledger."
        )
    rows = source.rows("SELECT * FROM submissions WHERE id = ?", batches[0].submission_id)
    return [to_submission(row) for row in rows], batches


def totals(source: Source) -> Totals:
    """Sums that stay quick however large the ledger grows."""
    (batches, requests) = source.rows(
        "SELECT (SELECT count(*) FROM batches), (SELECT coalesce(sum(request_count), 0)"
        " FROM submissions)"
    )[0]
    money = source.rows(
        "SELECT coalesce(sum(cost_nano), 0) AS cost_nano,"
        " coalesce(sum(sync_cost_nano), 0) AS sync_cost_nano,"
        " coalesce(sum(duplicate_nano), 0) AS duplicate_nano,"
        " coalesce(sum(unpriced), 0) AS unpriced FROM daily_totals"
    )[0]
    by_status = requests_by_status(source)
    (live,) = source.rows("SELECT count(*) FROM attempts WHERE active = 1")[0]
    return Totals(
        batches=batches,
        requests=requests,
        open_batches=count_open(source),
        waiting_requests=by_status.get(RequestStatus.QUEUED, 0),
        failed_requests=sum(by_status.get(status, 0) for status in FAILED),
        succeeded=requests - sum(by_status.values()) - live,
        reviews=reviews.count(source),
        **{name: money[name] for name in money.keys()},  # noqa: SIM118 - a Row iterates its values
    )


def requests_by_status(source: Source) -> dict[RequestStatus, int]:
    """How many requests stand in each state, those in flight or succeeded left out."""
    rows = source.rows(
        f"SELECT status, count(*) FROM requests r WHERE {_TO_DO} GROUP BY status"  # noqa: S608
    )
    return {RequestStatus(status): count for status, count in rows}


def statuses_of(source: Source, submission: Submission) -> dict[RequestStatus, int]:
    """How many requests of the submission stand in each state."""
    rows = source.rows(
        "SELECT status, count(*) FROM requests WHERE submission_id = ? GROUP BY status",
        submission.id,
    )
    return {RequestStatus(status): count for status, count in rows}


def errors(source: Source, *, before_id: int | None = None, limit: int = _PAGE) -> list[ErrorRow]:
    """Failed requests, newest first; pass the last row's `request_id` for the next page."""
    marks = ", ".join(f"'{status}'" for status in FAILED)
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, b.workflow, b.key AS batch_key,"  # noqa: S608
        " b.remote_id, coalesce(a.outcome, r.status) AS outcome, a.error_type, a.error_message,"
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts, b.ended_ts"
        # The page first: what stands beside a request is looked up for a page, not for all.
        " FROM (SELECT * FROM requests WHERE id IN (SELECT r.id FROM requests r"
        f" WHERE {_TO_DO} AND r.status IN ({marks}) AND r.id < ? ORDER BY r.id DESC LIMIT ?)) r"
        f" {counting_attempt.JOIN} JOIN batches b ON b.id = a.batch_id ORDER BY r.id DESC",
        before_id if before_id is not None else 1 << 62,
        limit,
    )
    return [
        ErrorRow(**{**dict(row), "outcome": Outcome(row["outcome"])})  # pyright: ignore[reportArgumentType]
        for row in rows
    ]


_OF_SUBMISSION = (
    f" FROM requests r {counting_attempt.JOIN} LEFT JOIN batches b ON b.id = a.batch_id"
    " WHERE r.submission_id = ? AND r.id > ?"
)


def told(source: Source, submission: Submission) -> Iterator[Told]:
    """What a delivered file says of each request of the submission, in input order."""
    last = 0
    while True:
        page = source.rows(
            "SELECT r.id, r.custom_id, a.outcome, a.error_type, a.error_message, a.cost_nano,"
            f" b.key, a.result_offset, a.result_length {_OF_SUBMISSION} ORDER BY r.id LIMIT ?",
            submission.id,
            last,
            _PAGE,
        )
        for row in page:
            yield Told(*row[1:])
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def results(
    source: Source, submission: Submission, *, batch: Batch | None = None
) -> Iterator[ResultRow]:
    """Every request of the submission, or of one of its batches, in input order, page by page."""
    last = 0
    while True:
        page = source.rows(
            f"SELECT r.id, r.custom_id, r.tag, r.status, b.key AS batch_key, a.* {_OF_SUBMISSION}"  # noqa: S608 - our own words
            " AND (? IS NULL OR EXISTS (SELECT 1"
            " FROM attempts x WHERE x.batch_id = ? AND x.request_id = r.id))"
            " ORDER BY r.id LIMIT ?",
            submission.id,
            last,
            batch.id if batch else None,
            batch.id if batch else None,
            _PAGE,
        )
        for row in page:
            yield ResultRow(
                request_id=row["id"],
                custom_id=row["custom_id"],
                tag=row["tag"],
                status=RequestStatus(row["status"]),
                batch_key=row["batch_key"],
                outcome=Outcome(row["outcome"]) if row["outcome"] else None,
                error_type=row["error_type"],
                error_message=row["error_message"],
                stop_reason=row["stop_reason"],
                model=row["model"],
                usage=Usage(
                    input_tokens=row["input_tokens"] or 0,
                    output_tokens=row["output_tokens"] or 0,
                    cache_write_5m_tokens=row["cache_write_5m_tokens"] or 0,
                    cache_write_1h_tokens=row["cache_write_1h_tokens"] or 0,
                    cache_read_tokens=row["cache_read_tokens"] or 0,
                ),
                cost_nano=row["cost_nano"],
                result_offset=row["result_offset"],
                result_length=row["result_length"],
            )
        if len(page) < _PAGE:
            return
        last = page[-1]["id"]


def events(source: Source, *, batch: Batch | None = None, limit: int = 100) -> list[Event]:
    """The latest lines of the audit log, of one batch or of all, newest first."""
    where, parameters = ("WHERE e.batch_id = ?", (batch.id,)) if batch else ("", ())
    rows = source.rows(
        "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail FROM events e"  # noqa: S608
        f" LEFT JOIN batches b ON b.id = e.batch_id {where} ORDER BY e.id DESC LIMIT ?",
        *parameters,
        limit,
    )
    return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def poller(source: Source) -> Poller:
    """The poller's heartbeat."""
    passes = source.rows("SELECT * FROM polls ORDER BY id DESC LIMIT 1")
    ended = source.rows(
        "SELECT * FROM polls WHERE finished_ts IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    lease = source.rows("SELECT * FROM leases WHERE name = 'poll'")
    return Poller(
        last_started_ts=passes[0]["started_ts"] if passes else None,
        last_finished_ts=ended[0]["finished_ts"] if ended else None,
        last_summary=json.loads(ended[0]["summary"]) if ended else {},
        lease_holder=lease[0]["holder"] if lease else None,
        lease_expires_ts=lease[0]["expires_ts"] if lease else None,
    )


def holds(source: Source, *, now_ts: str) -> list[Hold]:
    """What is being held back at this time, and why."""
    rows = source.rows("SELECT * FROM holds WHERE until_ts > ? ORDER BY name", now_ts)
    return [Hold(**dict(row)) for row in rows]


def events_from(source: Source, *, after_id: int, limit: int = _PAGE) -> list[Event]:
    """Lines of the audit log in order, from one on."""
    rows = source.rows(
        "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail FROM events e"
        " LEFT JOIN batches b ON b.id = e.batch_id WHERE e.id > ? ORDER BY e.id LIMIT ?",
        after_id,
        limit,
    )
    return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def savings_since(source: Source, day: str) -> tuple[int, int]:
    """Cost and what it would have cost synchronously, in nano-dollars, from that UTC day on."""
    row = source.rows(
        "SELECT coalesce(sum(cost_nano), 0), coalesce(sum(sync_cost_nano), 0)"
        " FROM daily_totals WHERE day >= ?",
        day,
    )[0]
    return int(row[0]), int(row[1])
