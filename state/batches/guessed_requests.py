"""Batches whose requests a rebuild had to guess, and what becomes of a guess that was wrong."""

from collections.abc import Sequence

from state.db.dialect import LISTED, as_list, is_true_in
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.sql_conditions import is_open
from state.model.records import Batch

_GUESSED = (
    "EXISTS (SELECT 1 FROM events e WHERE e.batch_id = b.id AND e.kind = 'batch.rebuilt'"  # noqa: S608 - our own words
    f" AND {is_true_in('e.detail', 'guessed')})"
)


def is_guessed(source: Source, batch_id: int) -> bool:
    """Whether a rebuild guessed which requests the batch has."""
    return bool(
        source.rows(f"SELECT 1 FROM batches b WHERE b.id = ? AND {_GUESSED}", batch_id)  # noqa: S608 - our own words
    )


def disprove(ledger: Ledger, batch: Batch, request_ids: Sequence[int]) -> None:
    """Inside a transaction: the results of the batch name requests that were guessed elsewhere."""
    ledger.execute(
        f"DELETE FROM attempts WHERE outcome IS NULL AND request_id IN {LISTED} AND batch_id IN"  # noqa: S608 - our own words
        f" (SELECT b.id FROM batches b WHERE b.id <> ? AND {is_open('b')} AND {_GUESSED})",
        as_list(request_ids),
        batch.id,
    )


def hand_over(ledger: Ledger, batch_id: int) -> None:
    """Inside a transaction: give requests without a result to another guessed batch that is open.

    They may be that one's; if there is none, they stay.
    """
    if not is_guessed(ledger, batch_id):
        return
    others = ledger.rows(
        "SELECT b.id FROM batches b JOIN batches this ON this.id = ? AND b.id <> this.id"  # noqa: S608 - our own words
        f" AND b.submission_id = this.submission_id WHERE {is_open('b')} AND {_GUESSED}"
        " ORDER BY b.id LIMIT 1",
        batch_id,
    )
    for other in others:
        ledger.execute(
            "UPDATE attempts SET batch_id = ? WHERE batch_id = ? AND outcome IS NULL"
            " AND request_id NOT IN (SELECT request_id FROM attempts WHERE batch_id = ?)",
            other["id"],
            batch_id,
            other["id"],
        )
