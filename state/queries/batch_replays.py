"""Which batches are replays: their requests have ended in an earlier batch."""

from collections.abc import Iterable

from state.db.dialect import LISTED, as_list
from state.db.reader import Source
from state.db.sql_conditions import IS_REPLAY


def replays_in(source: Source, batch_ids: Iterable[int]) -> frozenset[int]:
    """The ids of those batches that are replays."""
    rows = source.rows(
        f"SELECT b.id FROM batches b WHERE b.id IN {LISTED} AND {IS_REPLAY}",  # noqa: S608 - our own words
        as_list(batch_ids),
    )
    return frozenset(int(row[0]) for row in rows)
