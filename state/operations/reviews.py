"""Answers to review: billed and settled, but refused, cut off, unfinished or invalid."""

from collections.abc import Collection, Iterator

from msgspec import Struct

from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger
from state.db.model_sql import ATTEMPT_MODEL
from state.db.reader import Source
from state.db.sql_conditions import REVIEW_REASON, SETTLED_REQUEST, TO_REVIEW

_PAGE = 1000


class ReviewRow(Struct, frozen=True, kw_only=True):
    """A request whose answer ended with a refusal, cut off, unfinished, or is invalid.

    `review` is the stop reason, or `invalid`; `invalid` says what does not match the schema.
    """

    request_id: int
    custom_id: str
    tag: str
    workflow: str
    batch_key: str
    batch_id: int
    remote_id: str | None
    review: str
    invalid: str | None
    model: str
    ended_ts: str | None


def count(source: Source) -> int:
    """Number of answers to review."""
    rows = source.rows(f"SELECT count(*) FROM attempts a {SETTLED_REQUEST} WHERE {TO_REVIEW}")  # noqa: S608 - our own words
    return int(rows[0][0])


def rows(source: Source, *, limit: int) -> Iterator[ReviewRow]:
    """The answers to review, latest batch first."""
    last, left = (1 << 62, 1 << 62), limit
    while left > 0:
        page = source.rows(
            "SELECT r.id AS request_id, r.custom_id, r.tag, b.workflow, b.key AS batch_key,"  # noqa: S608 - our own words
            f" b.id AS batch_id, b.remote_id, {REVIEW_REASON} AS review, a.invalid,"
            f" {ATTEMPT_MODEL} AS model, b.ended_ts"
            f" FROM attempts a {SETTLED_REQUEST} JOIN batches b ON b.id = a.batch_id"
            f" WHERE {TO_REVIEW} AND (a.batch_id, a.request_id) < (?, ?)"
            " ORDER BY a.batch_id DESC, a.request_id DESC LIMIT ?",
            *last,
            min(left, _PAGE),
        )
        yield from (ReviewRow(**dict(row)) for row in page)
        if len(page) < _PAGE:
            return
        last, left = (page[-1]["batch_id"], page[-1]["request_id"]), left - len(page)


def accept(ledger: Ledger, request_ids: Collection[int]) -> int:
    """Acknowledge the answers of these requests; returns how many there were."""
    with ledger.transaction("accept"):
        return ledger.execute(
            f"UPDATE attempts AS a SET reviewed = 1 WHERE {TO_REVIEW} AND EXISTS (SELECT 1"  # noqa: S608 - our own words
            " FROM requests r WHERE r.id = a.request_id AND r.settled_by = a.batch_id"
            f" AND r.id IN {LISTED})",
            as_list(request_ids),
        )
