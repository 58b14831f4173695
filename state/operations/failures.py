"""Failed requests that a replay may fix, and the recent outcomes of a workflow's batches."""

from collections.abc import Sequence

from msgspec import Struct

from state.db.reader import Source
from state.model.records import REVIEW_STOP_REASONS

# Error types of the API's own failures. One that concerns the request fails again unchanged.
REPLAYABLE = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
# The API rejects such a request each time it is sent unchanged.
INVALID_REQUEST = "invalid_request_error"
_REPLAYABLE = ", ".join(f"'{kind}'" for kind in REPLAYABLE)
_REVIEW = ", ".join(f"'{reason}'" for reason in REVIEW_STOP_REASONS)
# The latest batches with answers. Canceled requests say nothing about the success rate.
_LATEST = (
    "SELECT id, request_count, canceled, succeeded FROM batches WHERE workflow = ?"
    " AND kind = 'batch' AND status = 'ended' AND collection = 'collected'"
    " AND request_count > canceled ORDER BY ended_ts DESC, id DESC LIMIT ?"
)


class Failure(Struct, frozen=True, kw_only=True):
    """A failed request. `tries` counts its attempts that have an outcome."""

    request_id: int
    submission_id: int
    tries: int


class RecentOutcomes(Struct, frozen=True, kw_only=True):
    """The latest batches of a workflow: their answers, and how many of these succeeded.

    An answer that is flagged for review does not count as succeeded.
    """

    batches: int
    answers: int
    succeeded: int


def replayable(source: Source, *, since_ts: str) -> list[Failure]:
    """Requests that failed since `since_ts` with an error worth a replay, by id.

    Those with an open or failed command (other than cancel) are left out.
    """
    rows = source.rows(
        "SELECT r.id, r.submission_id, (SELECT count(*) FROM attempts n WHERE n.request_id = r.id"  # noqa: S608 - our own words
        " AND n.outcome IS NOT NULL) AS tries FROM batches b"
        " JOIN attempts a ON a.batch_id = b.id JOIN requests r ON r.id = a.request_id"
        " WHERE b.ended_ts >= ? AND b.status = 'ended' AND b.collection = 'collected'"
        " AND b.kind = 'batch' AND b.errored + b.expired > 0 AND r.status = a.outcome"
        " AND (a.outcome = 'expired'"
        f" OR (a.outcome = 'errored' AND a.error_type IN ({_REPLAYABLE})))"
        " AND NOT EXISTS (SELECT 1 FROM attempts n WHERE n.request_id = r.id"
        " AND n.batch_id > a.batch_id AND n.outcome IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM commands c JOIN command_items i ON i.command_id = c.id"
        " WHERE c.state IN ('pending', 'running', 'failed') AND c.action <> 'cancel'"
        " AND i.item_id = r.id) ORDER BY r.id",
        since_ts,
    )
    return [
        Failure(request_id=row["id"], submission_id=row["submission_id"], tries=row["tries"])
        for row in rows
    ]


def names_of(source: Source, submission_id: int) -> Sequence[str | None]:
    """Job, workflow and tag of the submission."""
    row = source.rows("SELECT job, workflow, tag FROM submissions WHERE id = ?", submission_id)[0]
    return row["job"], row["workflow"], row["tag"]


def recent_outcomes(source: Source, workflow: str, *, last: int) -> RecentOutcomes:
    """The outcomes of the workflow's `last` batches."""
    row = source.rows(
        "SELECT count(*) AS batches, coalesce(sum(request_count - canceled), 0) AS answers,"  # noqa: S608 - our own words
        " coalesce(sum(succeeded), 0) - (SELECT count(*) FROM attempts a WHERE a.reviewed = 0"
        f" AND (a.stop_reason IN ({_REVIEW}) OR a.invalid IS NOT NULL)"
        f" AND a.batch_id IN (SELECT id FROM ({_LATEST}) latest))"
        f" AS succeeded FROM ({_LATEST}) latest",
        *(workflow, last, workflow, last),
    )[0]
    return RecentOutcomes(
        batches=row["batches"], answers=row["answers"], succeeded=row["succeeded"]
    )
