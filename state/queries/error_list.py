"""The errors screen and `errors`: failed requests and answers to review, grouped by message."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import array_of
from state.db.model_sql import ATTEMPT_MODEL
from state.db.reader import Source
from state.db.sql_conditions import NEEDS_REVIEW, REVIEW_REASON, TO_DO
from state.model.filter_terms import Term
from state.model.records import FAILED_STATUSES, Outcome, RequestStatus
from state.queries.filter_sql import Parameter, parse_ids
from state.queries.request_list import condition

_PAGE = 1000


class ErrorRow(Struct, frozen=True, kw_only=True):
    """A failed request that is neither acknowledged nor being replayed."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    batch_key: str
    remote_id: str | None
    outcome: Outcome
    error_type: str | None
    error_message: str | None
    model: str
    attempts: int
    ended_ts: str | None


def errors(source: Source, *, before_id: int | None = None, limit: int = _PAGE) -> list[ErrorRow]:
    """Failed requests, newest first; pass the last row's `request_id` for the next page."""
    marks = ", ".join(f"'{status}'" for status in FAILED_STATUSES)
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, b.workflow, b.key AS batch_key,"  # noqa: S608
        " b.remote_id, coalesce(a.outcome, r.status) AS outcome, a.error_type, a.error_message,"
        f" {ATTEMPT_MODEL} AS model,"
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts, b.ended_ts"
        # The page first: the joins are made for one page, not for all failures.
        " FROM (SELECT * FROM requests WHERE id IN (SELECT r.id FROM requests r"
        f" WHERE {TO_DO} AND r.status IN ({marks}) AND r.id < ? ORDER BY r.id DESC LIMIT ?)) r"
        f" {effective_attempt.JOIN} JOIN batches b ON b.id = a.batch_id ORDER BY r.id DESC",
        before_id if before_id is not None else 1 << 62,
        limit,
    )
    return [
        ErrorRow(**{**dict(row), "outcome": Outcome(row["outcome"])})  # pyright: ignore[reportArgumentType]
        for row in rows
    ]


# Only so many of the newest are grouped; older ones are counted.
MOST_GROUPED = 100_000
_LONGEST = 400
_NAMES = ", ".join(f"'{status}'" for status in FAILED_STATUSES)
_IS_FAILED = f"{TO_DO} AND r.status IN ({_NAMES})"
_IS_CANCELED = f"{_IS_FAILED} AND r.status = '{RequestStatus.CANCELED}'"
_KIND = (
    f"CASE WHEN a.outcome = 'succeeded' THEN {REVIEW_REASON}"
    " ELSE coalesce(a.error_type, a.outcome, r.status) END"
)


class MessageGroup(Struct, frozen=True, kw_only=True):
    """Requests of one tag that ended with the same message.

    `kind` is the error's type, or why an answer is to be reviewed. `first_ts` and `last_ts` are
    when the first and the last of them ended, UTC text.
    """

    workflow: str
    tag: str
    is_review: bool
    outcome: Outcome
    kind: str
    message: str
    count: int
    first_ts: str
    last_ts: str


class FailureGroups(Struct, frozen=True, kw_only=True):
    """The newest failures and answers to review by message; `total` counts all, older ones too.

    `canceled` is how many of the `failed` ones were canceled.
    """

    groups: Sequence[MessageGroup]
    failed: int
    canceled: int
    to_review: int
    total: int


def grouped(
    source: Source, terms: Sequence[Term], now: datetime, *, most: int = MOST_GROUPED
) -> FailureGroups:
    """Group what matches the terms: the newest `most` failures and the newest `most` reviews."""
    failed, reviewed = (_count(source, which, terms, now) for which in (_IS_FAILED, NEEDS_REVIEW))
    return FailureGroups(
        groups=[
            group
            for which, number in ((_IS_FAILED, failed), (NEEDS_REVIEW, reviewed))
            if number
            for group in _grouped(source, which, terms, now, most)
        ],
        failed=failed,
        canceled=_count(source, _IS_CANCELED, terms, now) if failed else 0,
        to_review=reviewed,
        total=failed + reviewed,
    )


def _count(source: Source, which: str, terms: Sequence[Term], now: datetime) -> int:
    inner, parameters = _chosen("count(*)", which, terms, now)
    return int(source.rows(inner, *parameters)[0][0])


def _grouped(
    source: Source, which: str, terms: Sequence[Term], now: datetime, most: int
) -> Sequence[MessageGroup]:
    inner, parameters = _chosen("r.id", which, terms, now)
    rows = source.rows(
        f"SELECT s.workflow, r.tag, coalesce(a.outcome, r.status) AS outcome, {_KIND} AS kind,"  # noqa: S608 - our own words
        " coalesce(substr(coalesce(a.error_message, a.invalid), 1, ?), '') AS message,"
        " count(*) AS count, min(coalesce(b.ended_ts, b.created_ts)) AS first_ts,"
        " max(coalesce(b.ended_ts, b.created_ts)) AS last_ts"
        f" FROM ({inner} ORDER BY r.id DESC LIMIT ?) f JOIN requests r ON r.id = f.id"
        f" JOIN submissions s ON s.id = r.submission_id {effective_attempt.JOIN}"
        " LEFT JOIN batches b ON b.id = a.batch_id GROUP BY 1, 2, 3, 4, 5"
        " ORDER BY 1, 2, 3, 4, 5",
        _LONGEST,
        *parameters,
        most,
    )
    return [
        MessageGroup(
            **{
                **dict(row),
                "is_review": which == NEEDS_REVIEW,
                "outcome": Outcome(row["outcome"]),
                "first_ts": row["first_ts"] or "",
                "last_ts": row["last_ts"] or "",
            }  # pyright: ignore[reportArgumentType]
        )
        for row in rows
    ]


def ids_by_message(
    source: Source,
    terms: Sequence[Term],
    now: datetime,
    *,
    workflow: str,
    kind: str,
    is_review: bool,
    most: int = MOST_GROUPED,
) -> list[tuple[str, Sequence[int]]]:
    """The ids of a workflow's requests that ended with this kind, by message."""
    which = NEEDS_REVIEW if is_review else _IS_FAILED
    inner, parameters = _chosen("r.id", which, terms, now)
    rows = source.rows(
        "SELECT coalesce(substr(coalesce(a.error_message, a.invalid), 1, ?), '') AS message,"  # noqa: S608 - our own words
        f" {array_of('r.id')}"
        f" FROM ({inner} ORDER BY r.id DESC LIMIT ?) f JOIN requests r ON r.id = f.id"
        f" JOIN submissions s ON s.id = r.submission_id {effective_attempt.JOIN}"
        f" WHERE s.workflow = ? AND {_KIND} = ? GROUP BY 1 ORDER BY 1",
        _LONGEST,
        *parameters,
        most,
        workflow,
        kind,
    )
    return [(row[0], parse_ids(row[1])) for row in rows]


def _chosen(
    what: str, which: str, terms: Sequence[Term], now: datetime
) -> tuple[str, tuple[Parameter, ...]]:
    where = condition(terms, now)
    attempt = effective_attempt.JOIN if where.needs_attempt else ""
    sql = f"SELECT {what} FROM requests r {attempt} WHERE {which} AND {where.sql}"  # noqa: S608 - our own words
    return sql, where.parameters
