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


def is_hopeless(batch: Batch, now: datetime, *, is_written_off: bool, is_denied: bool) -> bool:
    """Whether results that could not be downloaded will not come.

    `is_denied`: the API answered that it has none. A batch that was written off is asked for five
    times where the API answers nothing of that kind.
    """
    if is_written_off:
        return is_denied or batch.failures >= COLLECT_TRIES
    return is_denied and is_past_retention(batch, now)
