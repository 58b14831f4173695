"""Decides when to stop downloading results: expired at the API, or five tries without new ones."""

from datetime import datetime

from core.config.durations import RETENTION
from state.model.records import Batch, CollectionStatus
from state.model.timestamps import from_text

COLLECT_TRIES = 5


def is_past_retention(batch: Batch, now: datetime) -> bool:
    """Whether the API has deleted the results: 29 days after it accepted the batch."""
    return batch.accepted_ts is not None and from_text(batch.accepted_ts) + RETENTION < now


def end_of_collection(batch: Batch) -> CollectionStatus | None:
    """The final state of a batch whose results are complete but lack some ids; None: try again."""
    return CollectionStatus.COLLECTED if batch.collect_tries + 1 >= COLLECT_TRIES else None


def are_results_lost(
    batch: Batch, now: datetime, *, is_written_off: bool, is_denied: bool, is_answered: bool
) -> bool:
    """Whether results that could not be downloaded will not come.

    They will not where they were asked for after their time: of a batch that was written off, or
    after 29 days. `is_denied`: the API has none. `is_answered`: it answered, if only with an error;
    such an answer counts after five failures.
    """
    if not (is_written_off or is_past_retention(batch, now)):
        return False
    is_tried = batch.failures >= COLLECT_TRIES
    return is_denied or (is_tried and (is_answered or is_written_off))
