"""Why a batch is stuck, and when it is written off. Pure."""

from datetime import datetime, timedelta

from core.batches.collect_policy import is_past_retention
from core.text import pluralize
from state.model.records import Batch
from state.model.timestamps import from_text, to_text

# The API ends a batch after 24 hours; its clock and ours may differ.
MARGIN = timedelta(hours=1)
WRITE_OFF_AFTER = timedelta(hours=1)

ABSENT = "The API no longer has this batch: it responds with 404 and does not list it."
OVERDUE = "The API has not ended this batch, although it has expired."
NOT_KEPT = "The API no longer has this batch; its results were not downloaded in time."


def is_overdue(batch: Batch, now: datetime) -> bool:
    """Whether the API should have ended the batch, by more than a margin."""
    return batch.expires_ts is not None and from_text(batch.expires_ts) + MARGIN < now


def reason_of(batch: Batch, now: datetime) -> str:
    """Why the batch is stuck, as one sentence."""
    if is_past_retention(batch, now):
        return NOT_KEPT
    return OVERDUE if batch.not_found_ts is None or is_overdue(batch, now) else ABSENT


def describe(batch: Batch, now: datetime) -> str:
    """The problem of the stuck batch, the next step, and how to take it earlier."""
    return (
        f"{batch.key} ({batch.tag}): {outlook(batch, now)}; to do that now: `titan-console cancel"
        f" {batch.key}`."
    )


def outlook(batch: Batch, now: datetime) -> str:
    """Why the batch is stuck, and when it is written off."""
    after = to_text(from_text(batch.stuck_ts or to_text(now)) + WRITE_OFF_AFTER)
    return (
        f"{reason_of(batch, now)} After {after}, its"
        f" {pluralize(batch.request_count, 'request')} will get the outcome `missing`"
    )
