"""Lists of requests: which ones a filter finds, in which order, and the rows to show."""

from array import array
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import LISTED, array_of, as_list, contains, pattern
from state.db.model_sql import REQUEST_MODEL
from state.db.reader import Source
from state.db.sql_conditions import (
    ACKNOWLEDGED,
    IN_FLIGHT,
    NEEDS_REVIEW,
    REVIEW_REASON,
    STATUS,
    TO_DO,
    UNSENT,
)
from state.model.filter_terms import BoundTerm, Field, Term, ValuesTerm
from state.model.records import FAILED_STATUSES, INVALID, REVIEW_REASONS, Outcome, RequestStatus
from state.queries.filter_sql import Parameter, Where, age, all_of, any_of, parse_ids

FIELDS = (
    *(Field.STATUS, Field.WORKFLOW, Field.ERROR, Field.MODEL, Field.TAG, Field.BATCH, Field.ID),
    *(Field.TEXT, Field.AGE, Field.COST, Field.ATTEMPTS),
)
STATES = (*(status.value for status in RequestStatus), "failed", "review")
_GROUPS: Mapping[str, Sequence[str]] = {
    "failed": FAILED_STATUSES,
    "review": (),
}
_STORED_AS: Mapping[str, str] = {RequestStatus.ACKNOWLEDGED: ACKNOWLEDGED}
_REASONS = ", ".join(f"'{reason}'" for reason in REVIEW_REASONS)
_ATTEMPT_COUNT = "(SELECT count(*) FROM attempts n WHERE n.request_id = r.id)"


class SortOrder(StrEnum):
    """Sort order of a list of requests."""

    NEWEST = "newest"
    TAG = "tag"
    STATUS = "status"
    COST = "cost"
    TOKENS = "tokens"
    ATTEMPTS = "attempts"
    AGE = "age"


# Columns, each with whether its largest values come first (when not inverted).
_SORTS = {
    SortOrder.NEWEST: (("r.id", True),),
    SortOrder.AGE: (("r.id", False),),
    SortOrder.TAG: (("r.tag", False), ("r.custom_id", False)),
    SortOrder.STATUS: ((STATUS, False), ("r.id", True)),
    SortOrder.COST: (("coalesce(a.cost_nano, -1)", True), ("r.id", True)),
    SortOrder.TOKENS: (("coalesce(a.input_tokens + a.output_tokens, -1)", True), ("r.id", True)),
    SortOrder.ATTEMPTS: ((_ATTEMPT_COUNT, True), ("r.id", True)),
}


class Query(Struct, frozen=True):
    """A filter and a sort order."""

    terms: tuple[Term, ...] = ()
    order: SortOrder = SortOrder.NEWEST
    is_inverted: bool = False

    @property
    def is_newest_first(self) -> bool:
        """Whether new requests appear at the top."""
        return (self.order == SortOrder.NEWEST and not self.is_inverted) or (
            self.order == SortOrder.AGE and self.is_inverted
        )


def ids(
    source: Source, query: Query, now: datetime, *, among: Collection[int] | None = None
) -> Sequence[int]:
    """The ids of all matching requests, in order; of those in `among`, if it is given."""
    is_of_all = among is None and not query.terms
    if is_of_all and query.order in (SortOrder.NEWEST, SortOrder.AGE):
        found = newest_first(source)
        return found if query.is_newest_first else found[::-1]
    where = condition(query.terms, now)
    order = ", ".join(
        f"{part} DESC" if is_falling != query.is_inverted else part
        for part, is_falling in _SORTS[query.order]
    )
    attempt = effective_attempt.JOIN if where.needs_attempt or "a." in order else ""
    # One string for all ids: SQLite builds it without the GIL, so the screen stays responsive.
    rows = source.rows(
        f"SELECT {array_of('id')} FROM (SELECT r.id AS id FROM requests r {attempt}"  # noqa: S608 - our own words
        f" WHERE {'' if among is None else f'r.id IN {LISTED} AND '}{where.sql}"
        f" ORDER BY {order}) found",
        *(() if among is None else (as_list(among),)),
        *where.parameters,
    )
    return parse_ids(rows[0][0])


def condition(terms: Sequence[Term], now: datetime) -> Where:
    """All terms as a condition on `r`, and on `a` where it needs the effective attempt."""
    return all_of(terms, lambda term: _one(term, now))


def _one(term: Term, now: datetime) -> Where:
    if isinstance(term, BoundTerm):
        return _bound(term, now)
    if term.field == Field.STATUS:
        return _states(term)
    return any_of([_word(term.field, value) for value in term.values])


def _bound(term: BoundTerm, now: datetime) -> Where:
    match term.field:
        case Field.AGE:
            older, moment = age(term, now)
            return _of_submission(f"created_ts {older} ?", moment)
        case Field.COST:
            return Where(f"a.cost_nano {term.relation.value} ?", (term.amount,), needs_attempt=True)
        case _:
            return Where(
                f"{_ATTEMPT_COUNT} {term.relation.value} ?", (term.amount,), needs_attempt=False
            )


def _states(term: ValuesTerm) -> Where:
    """Literals, not parameters, so that SQLite can use the partial indexes."""
    wanted = {status for value in term.values for status in _GROUPS.get(value, (value,))}
    parts: list[str] = []
    to_do = sorted(wanted - {RequestStatus.IN_FLIGHT, RequestStatus.SUCCEEDED})
    if to_do:
        names = ", ".join(f"'{_STORED_AS.get(status, status)}'" for status in to_do)
        parts.append(f"{TO_DO} AND r.status IN ({names})")
    parts += [f"r.id IN ({UNSENT})"] if RequestStatus.QUEUED in wanted else []
    parts += [IN_FLIGHT] if RequestStatus.IN_FLIGHT in wanted else []
    parts += ["r.status = 'succeeded'"] if RequestStatus.SUCCEEDED in wanted else []
    parts += [NEEDS_REVIEW] if "review" in term.values else []
    sql = parts[0] if len(parts) == 1 else "(" + " OR ".join(f"({p})" for p in parts) + ")"
    return Where(sql, (), needs_attempt=False)


def _word(field: Field, value: str) -> Where:
    like = pattern(value)
    match field:
        case Field.WORKFLOW:
            return _of_submission(contains("workflow"), like)
        case Field.TAG:
            return _of_submission(contains("tag"), like)
        case Field.ID:
            return Where(contains("r.custom_id"), (like,), needs_attempt=False)
        case Field.BATCH:
            batches = (
                f"SELECT b.id FROM batches b WHERE {contains('b.key')} OR {contains('b.remote_id')}"  # noqa: S608 - our own words
            )
            sql = f"r.id IN (SELECT n.request_id FROM attempts n WHERE n.batch_id IN ({batches}))"  # noqa: S608 - our own words
            return Where(sql, (like, like), needs_attempt=False)
        case _:
            return _in_attempt(field, like)


def _in_attempt(field: Field, like: str) -> Where:
    match field:
        case Field.MODEL:
            # The model that answered, else the requested one.
            model = f"coalesce(a.model, {REQUEST_MODEL})"
            return Where(contains(model), (like,), needs_attempt=True)
        case Field.ERROR:
            of_failed = (
                f"{contains('coalesce(a.error_type, a.outcome)')} AND a.outcome <> 'succeeded'"
            )
            of_answer = f"{contains(REVIEW_REASON)} AND {REVIEW_REASON} IN ({_REASONS})"
            return Where(f"({of_failed} OR {of_answer})", (like, like), needs_attempt=True)
        case _:
            columns = ("r.custom_id", "r.tag", "a.error_type", "a.error_message", "a.invalid")
            sql = "(" + " OR ".join(map(contains, columns)) + ")"
            return Where(sql, (like,) * len(columns), needs_attempt=True)


def _of_submission(clause: str, parameter: Parameter) -> Where:
    sql = f"r.submission_id IN (SELECT s.id FROM submissions s WHERE s.{clause})"  # noqa: S608 - our own words
    return Where(sql, (parameter,), needs_attempt=False)


class RequestRow(Struct, frozen=True, kw_only=True):
    """A request with the attempt that counts. Money in nano-dollars."""

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    status: RequestStatus
    # Whether a batch has it now, be it sent or not.
    is_in_batch: bool
    model: str
    attempts: int
    batch_key: str | None
    outcome: Outcome | None
    error_type: str | None
    error_message: str | None
    stop_reason: str | None
    invalid: str | None
    input_tokens: int
    output_tokens: int
    cost_nano: int | None
    created_ts: str
    ended_ts: str | None

    @property
    def review(self) -> str | None:
        """Why its answer is to be reviewed, else its stop reason."""
        return INVALID if self.invalid else self.stop_reason


def newest_first(source: Source) -> Sequence[int]:
    """All request ids, newest first; a range where there are no gaps."""
    first, last, known = source.rows(
        "SELECT (SELECT min(id) FROM requests), (SELECT max(id) FROM requests),"
        " (SELECT coalesce(sum(request_count), 0) FROM submissions)"
    )[0]
    if last is None:
        return ()
    if last - first + 1 == known:
        return range(last, first - 1, -1)
    return array("q", (row[0] for row in source.rows("SELECT id FROM requests ORDER BY id DESC")))


def rows(source: Source, ids: Sequence[int]) -> dict[int, RequestRow]:
    """These requests by id."""
    if not ids:
        return {}
    marks = ",".join(["?"] * len(ids))
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, s.workflow,"  # noqa: S608 - question marks
        f" {STATUS} AS status, r.status = 'assigned' AS is_in_batch,"
        f" coalesce(a.model, {REQUEST_MODEL}) AS model,"
        " (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts,"
        " b.key AS batch_key, a.outcome, a.error_type, a.error_message, a.stop_reason, a.invalid,"
        " coalesce(a.input_tokens, 0) AS input_tokens,"
        " coalesce(a.output_tokens, 0) AS output_tokens, a.cost_nano, s.created_ts, b.ended_ts"
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        f" {effective_attempt.JOIN} LEFT JOIN batches b ON b.id = a.batch_id"
        f" WHERE r.id IN ({marks})",
        *ids,
    )
    return {
        row["request_id"]: RequestRow(
            **{
                **dict(row),
                "status": RequestStatus(row["status"]),
                "is_in_batch": bool(row["is_in_batch"]),
                "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
            }  # pyright: ignore[reportArgumentType]
        )
        for row in rows
    }
