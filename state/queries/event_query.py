"""Which lines of the audit log a filter finds."""

import json
from collections.abc import Sequence
from datetime import datetime

from state.db.reader import Source
from state.model.filter_terms import Bound, Field, Term
from state.queries import audit_views
from state.queries.filter_sql import Parameter, Where, age, all_of, any_of, contains, pattern
from state.queries.request_query import numbers

FIELDS = (
    *(Field.KIND, Field.WHO, Field.WORKFLOW, Field.TAG, Field.BATCH, Field.AGE, Field.COST),
    Field.TEXT,
)
# As it is kept, and as screens say it.
_KIND = ("e.kind", "replace(replace(e.kind, '.', ' '), '_', ' ')")
_COST = "CASE WHEN e.kind = 'batch.collected' THEN b.cost_nano END"


def _of_its_work(column: str) -> str:
    """Of the line's batch, or of the submission that it names."""
    return f"coalesce(b.{column}, (SELECT s.{column} FROM submissions s WHERE s.key = e.subject))"  # noqa: S608 - our own words


_TAG = _of_its_work("tag")
_COLUMNS = {
    Field.KIND: _KIND,
    Field.WHO: ("e.actor",),
    Field.WORKFLOW: (_of_its_work("workflow"),),
    Field.TAG: (_TAG,),
    Field.BATCH: ("b.key", "b.remote_id"),
    Field.TEXT: (*_KIND, "e.actor", "e.subject", "b.key", "b.remote_id", _TAG),
}


def ids(
    source: Source, terms: Sequence[Term], now: datetime, *, oldest_first: bool = False
) -> Sequence[int]:
    """The lines for which all terms hold; a range where that says it."""
    if not terms:
        found = audit_views.newest_first(source)
        return found[::-1] if oldest_first else found
    where = all_of(terms, lambda term: _one(term, now))
    order = "" if oldest_first else "DESC"
    rows = source.rows(
        "SELECT group_concat(id) FROM (SELECT e.id AS id FROM events e"  # noqa: S608 - our own words
        f" LEFT JOIN batches b ON b.id = e.batch_id WHERE {where.sql} ORDER BY e.id {order})",
        *where.parameters,
    )
    return numbers(rows[0][0])


def _one(term: Term, now: datetime) -> Where:
    if isinstance(term, Bound):
        if term.field == Field.AGE:
            older, moment = age(term, now)
            return Where(f"e.at {older} ?", (moment,))
        return Where(f"{_COST} {term.relation.value} ?", (term.amount,))
    parts: list[Where] = []
    for value in term.values:
        like: tuple[Parameter] = (pattern(value),)
        parts += [Where(contains(column), like) for column in _COLUMNS[term.field]]
        if term.field == Field.TEXT:
            # The detail is JSON, in which a quote or a letter beyond ASCII is written otherwise.
            parts.append(Where(contains("e.detail"), (pattern(json.dumps(value)[1:-1]),)))
    return any_of(parts)
