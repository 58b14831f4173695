"""The events screen and the event log: which events a filter finds, and their lines."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from state.db.dialect import array_of, contains, pattern
from state.db.reader import Source
from state.model.filter_terms import BoundTerm, Field, Term
from state.model.records import Batch, Event
from state.queries.filter_sql import Parameter, Where, age, all_of, any_of, parse_ids

if TYPE_CHECKING:
    from state.db.reader import Row


_SELECT = (
    "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail, b.tag,"
    " CASE WHEN e.kind = 'batch.collected' THEN b.cost_nano END AS cost_nano, b.unpriced"
    " FROM events e LEFT JOIN batches b ON b.id = e.batch_id"
)


class EventLine(Struct, frozen=True, kw_only=True):
    """One event with the tag of its batch; for `batch.collected`, also the batch's cost.

    Money in nano-dollars; `unpriced` answers are left out of it.
    """

    event: Event
    tag: str | None
    cost_nano: int | None
    unpriced: int


def newest_first(source: Source) -> Sequence[int]:
    """All event ids; `Ledger.event` gives them out without gaps, so they are a range."""
    first, last = source.rows("SELECT min(id), max(id) FROM events")[0]
    return () if last is None else range(last, first - 1, -1)


def lines(source: Source, ids: Sequence[int]) -> dict[int, EventLine]:
    """These events by id."""
    if not ids:
        return {}
    marks = ",".join(["?"] * len(ids))
    rows = source.rows(f"{_SELECT} WHERE e.id IN ({marks})", *ids)
    return {row["id"]: _to_line(row) for row in rows}


def latest(source: Source, *, since_ts: str = "", limit: int) -> Iterator[EventLine]:
    """The newest events since that time, newest first."""
    last, left = 1 << 62, limit
    while left > 0:
        page = source.rows(
            f"{_SELECT} WHERE e.at >= ? AND e.id < ? ORDER BY e.id DESC LIMIT ?",
            *(since_ts, last, min(left, _PAGE)),
        )
        yield from map(_to_line, page)
        if len(page) < _PAGE:
            return
        last, left = page[-1]["id"], left - len(page)


def count(source: Source, *, since_ts: str = "") -> int:
    """The number of events since that time."""
    return int(source.rows("SELECT count(*) FROM events WHERE at >= ?", since_ts)[0][0])


def _to_line(row: "Row") -> EventLine:
    return EventLine(
        event=Event(
            id=row["id"],
            at=row["at"],
            actor=row["actor"],
            kind=row["kind"],
            batch_key=row["batch_key"],
            subject=row["subject"],
            detail=json.loads(row["detail"]),
        ),
        tag=row["tag"],
        cost_nano=row["cost_nano"],
        unpriced=row["unpriced"] or 0,
    )


FIELDS = (
    *(Field.KIND, Field.WHO, Field.WORKFLOW, Field.TAG, Field.BATCH, Field.AGE, Field.COST),
    Field.TEXT,
)
# As stored, and as screens show it.
_KIND = ("e.kind", "replace(replace(e.kind, '.', ' '), '_', ' ')")
_COST = "CASE WHEN e.kind = 'batch.collected' THEN b.cost_nano END"


def _of_batch_or_submission(column: str) -> str:
    """The column of the event's batch, or of the submission that the event names."""
    return f"coalesce(b.{column}, (SELECT s.{column} FROM submissions s WHERE s.key = e.subject))"  # noqa: S608 - our own words


_TAG = _of_batch_or_submission("tag")
_COLUMNS = {
    Field.KIND: _KIND,
    Field.WHO: ("e.actor",),
    Field.WORKFLOW: (_of_batch_or_submission("workflow"),),
    Field.TAG: (_TAG,),
    Field.BATCH: ("b.key", "b.remote_id"),
    Field.TEXT: (*_KIND, "e.actor", "e.subject", "b.key", "b.remote_id", _TAG),
}


def ids(
    source: Source, terms: Sequence[Term], now: datetime, *, oldest_first: bool = False
) -> Sequence[int]:
    """The ids of the events that match all terms."""
    if not terms:
        found = newest_first(source)
        return found[::-1] if oldest_first else found
    where = all_of(terms, lambda term: _event_term(term, now))
    order = "" if oldest_first else "DESC"
    rows = source.rows(
        f"SELECT {array_of('id')} FROM (SELECT e.id AS id FROM events e"  # noqa: S608 - our own words
        f" LEFT JOIN batches b ON b.id = e.batch_id WHERE {where.sql} ORDER BY e.id {order}) found",
        *where.parameters,
    )
    return parse_ids(rows[0][0])


def _event_term(term: Term, now: datetime) -> Where:
    if isinstance(term, BoundTerm):
        if term.field == Field.AGE:
            older, moment = age(term, now)
            return Where(f"e.at {older} ?", (moment,))
        return Where(f"{_COST} {term.relation.value} ?", (term.amount,))
    parts: list[Where] = []
    for value in term.values:
        like: tuple[Parameter] = (pattern(value),)
        parts += [Where(contains(column), like) for column in _COLUMNS[term.field]]
        if term.field == Field.TEXT:
            # The detail is JSON, which escapes quotes and non-ASCII letters.
            parts.append(Where(contains("e.detail"), (pattern(json.dumps(value)[1:-1]),)))
    return any_of(parts)


_PAGE = 1000
_ALL = 1 << 62


def events(source: Source, *, batch: Batch | None = None, limit: int = _ALL) -> list[Event]:
    """The latest events of one batch or of all, newest first."""
    where, parameters = ("WHERE e.batch_id = ?", (batch.id,)) if batch else ("", ())
    rows = source.rows(
        "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail FROM events e"  # noqa: S608
        f" LEFT JOIN batches b ON b.id = e.batch_id {where} ORDER BY e.id DESC LIMIT ?",
        *parameters,
        limit,
    )
    return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def events_from(source: Source, *, after_id: int, limit: int = _PAGE) -> list[Event]:
    """Events in order, after the given id."""
    rows = source.rows(
        "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail FROM events e"
        " LEFT JOIN batches b ON b.id = e.batch_id WHERE e.id > ? ORDER BY e.id LIMIT ?",
        after_id,
        limit,
    )
    return [Event(**{**dict(row), "detail": json.loads(row["detail"])}) for row in rows]  # pyright: ignore[reportArgumentType]
