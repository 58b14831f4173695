"""Read models of single requests: the long list of them, and what is seen of each."""

from array import array
from collections.abc import Sequence

from msgspec import Struct

from state.db.reader import Source
from state.model.records import Outcome, RequestStatus
from state.operations import counting_attempt


class RequestRow(Struct, frozen=True, kw_only=True):
    """A request with the attempt that counts. Money in nano-dollars."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    status: RequestStatus
    model: str
    attempts: int
    batch_key: str | None
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    input_tokens: int
    output_tokens: int
    cost_nano: int | None
    created_ts: str
    ended_ts: str | None


def newest_first(source: Source) -> Sequence[int]:
    """The ids of all requests; a range where none is missing between the first and the last."""
    first, last, known = source.rows(
        "SELECT (SELECT min(id) FROM requests), (SELECT max(id) FROM requests),"
        " (SELECT coalesce(sum(request_count), 0) FROM submissions)"
    )[0]
    if last is None:
        return ()
    if last - first + 1 == known:
        return range(last, first - 1, -1)
    return array("q", (row[0] for row in source.rows("SELECT id FROM requests ORDER BY id DESC")))


def requests(source: Source, ids: Sequence[int]) -> dict[int, RequestRow]:
    """These requests, by id."""
    if not ids:
        return {}
    marks = ",".join(["?"] * len(ids))
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, s.workflow, r.status,"  # noqa: S608 - question marks
        " coalesce(a.model, s.model) AS model,"
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts,"
        " b.key AS batch_key, a.outcome, a.error_type, a.error_message, a.stop_reason,"
        " coalesce(a.input_tokens, 0) AS input_tokens,"
        " coalesce(a.output_tokens, 0) AS output_tokens, a.cost_nano, s.created_ts, b.ended_ts"
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        f" {counting_attempt.JOIN} LEFT JOIN batches b ON b.id = a.batch_id"
        f" WHERE r.id IN ({marks})",
        *ids,
    )
    return {
        row["request_id"]: RequestRow(
            **{
                **dict(row),
                "status": RequestStatus(row["status"]),
                "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
            }  # pyright: ignore[reportArgumentType]
        )
        for row in rows
    }
