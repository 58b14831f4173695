"""Which batches a filter finds: the open ones, and the latest of the others."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from state.db.reader import Source
from state.db.rows import to_batch
from state.model.filter_terms import Bound, Field, Term
from state.model.records import Batch, BatchStatus, Collection
from state.queries.filter_sql import Where, age, all_of, any_of, contains, pattern

FIELDS = (
    *(Field.STATE, Field.WORKFLOW, Field.TAG, Field.BATCH, Field.MODEL, Field.ERROR, Field.AGE),
    *(Field.COST, Field.TEXT),
)
# In the words of the partial index, so that SQLite sees that it may use it.
_OPEN = "status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending'"
# What a batch lacks of its requests, once it has ended for good.
_FAILED = (
    "status = 'rejected' OR (collection NOT IN ('not_ready', 'pending')"
    " AND request_count > succeeded)"
    " OR errored + canceled + expired > 0"
)
_STATES = (
    {status.value: f"status = '{status.value}'" for status in BatchStatus}
    | {name.value: f"collection = '{name.value}'" for name in Collection if name != "not_ready"}
    | {"open": _OPEN, "failed": _FAILED}
)
STATES = tuple(_STATES)
_MOST = 200
_COLUMNS = {
    Field.WORKFLOW: ("workflow",),
    Field.TAG: ("tag",),
    Field.MODEL: ("model",),
    Field.ERROR: ("last_error",),
    Field.BATCH: ("key", "remote_id"),
    Field.TEXT: ("key", "remote_id", "tag", "workflow", "last_error"),
}


class Matched(Struct, frozen=True, kw_only=True):
    """The batches that match, at most 200 of either kind, and how many there are."""

    open: Sequence[Batch]
    others: Sequence[Batch]
    open_count: int
    others_count: int


def find(source: Source, terms: Sequence[Term], now: datetime) -> Matched:
    """All terms hold of these; open ones oldest first, the others by when they ended last."""
    where = all_of(terms, lambda term: _one(term, now))
    open_ones = Where(f"({_OPEN}) AND {where.sql}", where.parameters)
    others = Where(f"NOT ({_OPEN}) AND {where.sql}", where.parameters)
    return Matched(
        open=_batches(source, open_ones, "id"),
        others=_batches(source, others, "coalesce(ended_ts, created_ts) DESC, id DESC"),
        open_count=_count(source, open_ones),
        others_count=_count(source, others),
    )


def _batches(source: Source, where: Where, order: str) -> list[Batch]:
    sql = f"SELECT * FROM batches WHERE {where.sql} ORDER BY {order} LIMIT ?"  # noqa: S608 - our own words
    return [to_batch(row) for row in source.rows(sql, *where.parameters, _MOST)]


def _count(source: Source, where: Where) -> int:
    sql = f"SELECT count(*) FROM batches WHERE {where.sql}"  # noqa: S608 - our own words
    return int(source.rows(sql, *where.parameters)[0][0])


def _one(term: Term, now: datetime) -> Where:
    if isinstance(term, Bound):
        if term.field == Field.AGE:
            older, moment = age(term, now)
            return Where(f"created_ts {older} ?", (moment,))
        return Where(f"cost_nano {term.relation.value} ?", (term.amount,))
    if term.field == Field.STATE:
        return any_of([Where(f"({_STATES[value]})") for value in term.values])
    return any_of(
        [
            Where(contains(column), (pattern(value),))
            for value in term.values
            for column in _COLUMNS[term.field]
        ]
    )
