"""Lists of batches: open, closed, by filter, by submission, by key, remote id or tag."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from state.db.dialect import contains, pattern
from state.db.model_sql import REQUEST_MODEL
from state.db.reader import Source
from state.db.rows import to_batch, to_submission
from state.db.sql_conditions import LISTED_AS_ENDED, is_open
from state.model.errors import UnknownId
from state.model.filter_terms import BoundTerm, Field, Term
from state.model.records import (
    Batch,
    BatchStatus,
    CollectionStatus,
    Submission,
)
from state.queries.filter_sql import Where, age, all_of, any_of

FIELDS = (
    *(Field.STATUS, Field.WORKFLOW, Field.TAG, Field.BATCH, Field.MODEL, Field.ERROR, Field.AGE),
    *(Field.COST, Field.TEXT),
)
_OPEN = is_open()
# Batches with requests that failed, or that have no result.
_FAILED = (
    "status = 'rejected' OR (collection NOT IN ('not_ready', 'pending')"
    " AND request_count > succeeded)"
    " OR errored + canceled + expired > 0"
)
_STATES = (
    {status.value: f"status = '{status.value}'" for status in BatchStatus}
    | {
        name.value: f"collection = '{name.value}'"
        for name in CollectionStatus
        if name != "not_ready"
    }
    | {"open": _OPEN, "failed": _FAILED}
)
STATES = tuple(_STATES)
_MOST = 200
_COLUMNS = {
    Field.WORKFLOW: ("workflow",),
    Field.TAG: ("tag",),
    Field.ERROR: ("last_error",),
    Field.BATCH: ("key", "remote_id"),
    Field.TEXT: ("key", "remote_id", "tag", "workflow", "last_error"),
}


class BatchMatches(Struct, frozen=True, kw_only=True):
    """Matching batches, at most 200 open and 200 others, and the number of each."""

    open: Sequence[Batch]
    others: Sequence[Batch]
    open_count: int
    others_count: int


def matching(source: Source, terms: Sequence[Term], now: datetime) -> BatchMatches:
    """The batches that match all terms; open ones oldest first, the others last ended first."""
    where = condition(terms, now)
    open_ones = Where(f"{_OPEN} AND {where.sql}", where.parameters)
    others = Where(f"NOT {_OPEN} AND {where.sql}", where.parameters)
    return BatchMatches(
        open=_capped(source, open_ones, "id"),
        others=_capped(source, others, "coalesce(ended_ts, created_ts) DESC, id DESC"),
        open_count=_count(source, open_ones),
        others_count=_count(source, others),
    )


def condition(terms: Sequence[Term], now: datetime) -> Where:
    """All terms as a condition on `batches`."""
    return all_of(terms, lambda term: _one(term, now))


def _capped(source: Source, where: Where, order: str) -> list[Batch]:
    sql = f"SELECT * FROM batches WHERE {where.sql} ORDER BY {order} LIMIT ?"  # noqa: S608 - our own words
    return [to_batch(row) for row in source.rows(sql, *where.parameters, _MOST)]


def _count(source: Source, where: Where) -> int:
    sql = f"SELECT count(*) FROM batches WHERE {where.sql}"  # noqa: S608 - our own words
    return int(source.rows(sql, *where.parameters)[0][0])


def _one(term: Term, now: datetime) -> Where:
    if isinstance(term, BoundTerm):
        if term.field == Field.AGE:
            older, moment = age(term, now)
            return Where(f"created_ts {older} ?", (moment,))
        return Where(f"cost_nano {term.relation.value} ?", (term.amount,))
    if term.field == Field.STATUS:
        return any_of([Where(f"({_STATES[value]})") for value in term.values])
    if term.field == Field.MODEL:
        return any_of([_of_model(pattern(value)) for value in term.values])
    return any_of(
        [
            Where(contains(column), (pattern(value),))
            for value in term.values
            for column in _COLUMNS[term.field]
        ]
    )


def _of_model(like: str) -> Where:
    """Batches of that model, and those with a request of it."""
    requests = (
        "SELECT a.batch_id FROM requests r JOIN attempts a ON a.request_id = r.id"  # noqa: S608 - our own words
        f" WHERE {contains('r.model')}"
    )
    edited = (
        "SELECT a.batch_id FROM attempts a JOIN edits e ON e.id = a.edit_id"  # noqa: S608 - as above
        f" WHERE {contains('e.model')}"
    )
    sql = f"({contains('model')} OR id IN ({requests}) OR id IN ({edited}))"
    return Where(sql, (like, like, like))


def open_batches(source: Source) -> list[Batch]:
    """Open batches, oldest first."""
    return _select(source, f"{_OPEN} ORDER BY id")


def count_open(source: Source) -> int:
    """Number of open batches."""
    sql = f"SELECT count(*) FROM batches WHERE {_OPEN}"  # noqa: S608 - our own words
    return int(source.rows(sql)[0][0])


def closed_batches(source: Source, *, limit: int) -> list[Batch]:
    """The latest batches that were rejected, canceled before they were sent, or finished.

    Newest first.
    """
    return _select(
        source, f"{LISTED_AS_ENDED} ORDER BY ended_ts DESC NULLS LAST, id DESC LIMIT ?", limit
    )


def batches_of(source: Source, submission: Submission) -> list[Batch]:
    """Every batch of the submission, and every other with requests of it, in order.

    A batch has none left where all of them returned to the queue.
    """
    return _select(
        source,
        "submission_id = ? OR id IN (SELECT a.batch_id FROM requests r"
        " JOIN attempts a ON a.request_id = r.id WHERE r.submission_id = ?) ORDER BY id",
        submission.id,
        submission.id,
    )


def _select(source: Source, where: str, *parameters: str | int) -> list[Batch]:
    sql = f"SELECT * FROM batches WHERE {where}"  # noqa: S608 - our own words
    return [to_batch(row) for row in source.rows(sql, *parameters)]


def submissions_of(source: Source, tag: str) -> list[Submission]:
    """Every submission under the tag, oldest first."""
    rows = source.rows("SELECT * FROM submissions WHERE tag = ? ORDER BY id", tag)
    return [to_submission(row) for row in rows]


def models_of(source: Source, submission: Submission) -> Mapping[str, int]:
    """How many requests of the submission name each model, most first."""
    rows = source.rows(
        f"SELECT {REQUEST_MODEL}, count(*) FROM requests r WHERE r.submission_id = ?"  # noqa: S608 - our own words
        " GROUP BY 1 ORDER BY 2 DESC, 1",
        submission.id,
    )
    return {str(row[0]): int(row[1]) for row in rows}


def find(source: Source, name: str) -> tuple[list[Submission], list[Batch]]:
    """The submissions and batches of a key, a remote id or a tag.

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
    batches = _select(source, "key = ? OR remote_id = ?", name, name)
    if not batches:
        raise UnknownId(f"{name!r} not found (no such tb_… key, API batch id or tag).")
    rows = source.rows("SELECT * FROM submissions WHERE id = ?", batches[0].submission_id)
    return [to_submission(row) for row in rows], batches


def due_before(source: Source, until_ts: str) -> list[Batch]:
    """Open batches with a deadline before then, the nearest first.

    Batches of submissions that finished by other means are left out.
    """
    rows = source.rows(
        f"SELECT * FROM batches WHERE deadline_ts < ? AND {_OPEN} AND NOT EXISTS"  # noqa: S608 - our own words
        " (SELECT 1 FROM submissions s WHERE s.id = batches.submission_id"
        " AND s.finished_ts IS NOT NULL) ORDER BY deadline_ts, id",
        until_ts,
    )
    return [to_batch(row) for row in rows]


def uncollected_since(source: Source, accepted_before: str) -> list[Batch]:
    """Open batches that the API accepted before then."""
    rows = source.rows(
        f"SELECT * FROM batches WHERE accepted_ts < ? AND {_OPEN} AND kind = 'batch'"  # noqa: S608 - as above
        " ORDER BY accepted_ts, id",
        accepted_before,
    )
    return [to_batch(row) for row in rows]
