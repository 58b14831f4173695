"""Submissions with a deadline to meet, and the usual API time of their workflows."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from msgspec import Struct

from state.db.dialect import LISTED, as_list, has_part, text_in
from state.db.reader import Source
from state.model.timestamps import from_text

_HISTORY = 50
# For probabilities: enough to include rare long API times.
_LATEST = 200
_ENOUGH = 5


class PendingDeadline(Struct, frozen=True, kw_only=True):
    """A submission with a deadline; `sync_requested_ts` is when a synchronous run was requested."""

    submission_id: int
    key: str
    workflow: str
    deadline_ts: str
    is_finished: bool
    sent_ts: str | None
    sync_requested_ts: str | None


def pending_deadlines(source: Source, *, now_ts: str) -> list[PendingDeadline]:
    """Every submission with a deadline and missing answers, most urgent first.

    Finished ones count where they have failures and the deadline is still ahead. Submissions with
    a pending synchronous run are left out.
    """
    rows = source.rows(
        "SELECT s.id, s.key, s.workflow, s.deadline_ts, s.finished_ts IS NOT NULL AS is_finished,"  # noqa: S608 - our own words
        " (SELECT min(b.accepted_ts) FROM batches b WHERE b.submission_id = s.id) AS sent_ts,"
        " (SELECT max(c.created_ts) FROM commands c WHERE c.action = 'sync'"
        f" AND {text_in('c.options', 'submission')} = s.key) AS sync_requested_ts"
        " FROM submissions s"
        " WHERE s.deadline_ts IS NOT NULL AND (s.finished_ts IS NULL OR (s.deadline_ts > ?"
        " AND EXISTS (SELECT 1 FROM batches b WHERE b.submission_id = s.id"
        " AND (b.errored + b.expired > 0 OR (b.collection NOT IN ('not_ready', 'pending')"
        " AND b.request_count > b.succeeded + b.canceled)))))"
        " AND NOT EXISTS (SELECT 1 FROM commands c"
        " WHERE c.state IN ('pending', 'running') AND c.action = 'sync'"
        f" AND {text_in('c.options', 'submission')} = s.key) ORDER BY s.deadline_ts, s.id",
        now_ts,
    )
    return [
        PendingDeadline(
            submission_id=row["id"],
            key=row["key"],
            workflow=row["workflow"],
            deadline_ts=row["deadline_ts"],
            is_finished=bool(row["is_finished"]),
            sent_ts=row["sent_ts"],
            sync_requested_ts=row["sync_requested_ts"],
        )
        for row in rows
    ]


class PassedDeadline(Struct, frozen=True, kw_only=True):
    """The number of requests with that deadline, and whether a synchronous run was requested."""

    deadline_ts: str
    has_sync_run: bool
    requests: int


def passed(source: Source, request_ids: Collection[int], *, now_ts: str) -> list[PassedDeadline]:
    """The deadlines of these requests that have passed, earliest first."""
    rows = source.rows(
        "SELECT s.deadline_ts, EXISTS (SELECT 1 FROM commands c WHERE c.action = 'sync'"  # noqa: S608 - our own words
        f" AND {text_in('c.options', 'submission')} = s.key) AS has_sync_run,"
        " count(*) AS requests FROM requests r JOIN submissions s ON s.id = r.submission_id"
        f" WHERE r.id IN {LISTED} AND s.deadline_ts <= ? GROUP BY s.id, s.key, s.deadline_ts"
        " ORDER BY s.deadline_ts, s.id",
        as_list(request_ids),
        now_ts,
    )
    return [
        PassedDeadline(
            deadline_ts=row["deadline_ts"],
            has_sync_run=bool(row["has_sync_run"]),
            requests=row["requests"],
        )
        for row in rows
    ]


def unsettled(source: Source, submission_id: int, *, but_for: str, max_bytes: int) -> list[int]:
    """The requests of the submission without an answer that are not acknowledged.

    Left out are requests with the beta `but_for`, larger ones than `max_bytes`, canceled ones,
    those that the API rejected as invalid, and those that ran synchronously before and may have
    been paid for.
    """
    rows = source.rows(
        "SELECT r.id FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"  # noqa: S608 - our own words
        " WHERE r.submission_id = ? AND r.status NOT IN ('succeeded', 'dismissed', 'canceled')"
        f" AND NOT {has_part('coalesce(e.betas, r.betas)')}"
        " AND coalesce(e.body_length, r.body_length) <= ?"
        " AND NOT (r.status = 'errored' AND coalesce((SELECT a.error_type = 'invalid_request_error'"
        " OR (b.kind = 'sync' AND a.error_type NOT IN ('overloaded_error', 'rate_limit_error'))"
        " FROM attempts a JOIN batches b ON b.id = a.batch_id WHERE a.request_id = r.id"
        " AND a.outcome IS NOT NULL ORDER BY a.batch_id DESC LIMIT 1), false)) ORDER BY r.id",
        submission_id,
        but_for,
        max_bytes,
    )
    return [int(row[0]) for row in rows]


def api_times(source: Source, workflow: str, *, limit: int = _LATEST) -> list[float]:
    """Seconds from accepted to ended of the workflow's latest batches, canceled ones left out."""
    rows = source.rows(
        "SELECT accepted_ts, ended_ts FROM batches WHERE workflow = ? AND kind = 'batch'"
        " AND status = 'ended' AND accepted_ts IS NOT NULL AND cancel_ts IS NULL"
        " ORDER BY id DESC LIMIT ?",
        workflow,
        limit,
    )
    return [
        max(0.0, (from_text(row["ended_ts"]) - from_text(row["accepted_ts"])).total_seconds())
        for row in rows
    ]


def api_times_of(source: Source, workflows: Iterable[str]) -> dict[str, Sequence[float]]:
    """The API times of each of these workflows."""
    return {workflow: api_times(source, workflow) for workflow in workflows}


def usual_api_time(source: Source, workflow: str) -> timedelta | None:
    """The 90th percentile of the workflow's latest API times; None with fewer than five."""
    taken = sorted(api_times(source, workflow, limit=_HISTORY))
    return timedelta(seconds=taken[(9 * len(taken) - 1) // 10]) if len(taken) >= _ENOUGH else None
