"""Decides when to stop downloading results: expired at the API, or five tries without new ones."""

from datetime import datetime

from core.config.durations import RETENTION
from state.model.records import Batch, Collection
from state.model.timestamps import from_text

COLLECT_TRIES = 5


def is_past_retention(batch: Batch, now: datetime) -> bool:
    """Whether the API has deleted the results: 29 days after it accepted the batch."""
    return batch.accepted_ts is not None and from_text(batch.accepted_ts) + RETENTION < now


def end_of_collection(batch: Batch) -> Collection | None:
    """The final state of a batch whose results are complete but lack some ids; None: try again."""
    return Collection.COLLECTED if batch.collect_tries + 1 >= COLLECT_TRIES else None
