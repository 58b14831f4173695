"""The models of batches."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from state.db.dialect import LISTED
from state.db.model_sql import REQUESTED_MODEL
from state.db.reader import Source

if TYPE_CHECKING:
    from state.db.reader import Row

Models = dict[int, tuple[str, ...]]
# Requests of a batch that are looked at: a batch may have 100,000.
SAMPLE = 200


def answered(source: Source, listed: str) -> Models:
    """The models that answered requests of each collected batch; `listed` from `as_list`."""
    return _models(
        source.rows(
            f"SELECT batch_id, model FROM batch_totals WHERE batch_id IN {LISTED} ORDER BY 1, 2",  # noqa: S608 - our own words
            listed,
        )
    )


def requested(source: Source, batch_ids: Iterable[int]) -> Models:
    """The models that the first 200 requests of each batch name."""
    found: Models = {}
    for batch_id in batch_ids:
        found |= _models(
            source.rows(
                "SELECT DISTINCT batch_id, model FROM (SELECT a.batch_id AS batch_id,"  # noqa: S608 - our own words
                f" {REQUESTED_MODEL} AS model FROM batches b JOIN attempts a ON a.batch_id = b.id"
                " WHERE b.id = ? ORDER BY a.request_id LIMIT ?) sampled ORDER BY 1, 2",
                batch_id,
                SAMPLE,
            )
        )
    return found


def _models(rows: "Sequence[Row]") -> Models:
    found: Models = {}
    for row in rows:
        found[row["batch_id"]] = (*found.get(row["batch_id"], ()), str(row["model"]))
    return found
