"""Decides about batches that the API no longer has, or does not end; see `docs/lifecycle.md`.

One 404 proves nothing: reads of the API can lag, and a gateway can fail. Proof is a 404 together
with a complete listing, begun after the first 404, that lacks the batch; or the end of the 24 hours
and a margin. Then the batch is stuck, which is reported at once, and written off an hour later.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from core.batches.collect_policy import is_past_retention
from core.batches.engine_context import Context
from core.batches.unresolved.listing import Listing
from core.batches.unresolved.stuck_reason import (
    MARGIN,
    WRITE_OFF_AFTER,
    describe,
    is_overdue,
    reason_of,
)
from core.errors import ApiError, NotFound
from state.batches import stuck_batches
from state.batches.sending import RemoteState
from state.model.records import Batch
from state.model.timestamps import from_text

# Added to the message of each request of a batch that was written off.
MAY_HAVE_RUN = "The request may have run, and been charged."


class Evidence(StrEnum):
    """What one poll learned of an open batch."""

    OPEN = "open"  # the API has it, and has not ended it
    ABSENT = "absent"  # 404, and a complete listing begun after the first 404 lacks it
    NOT_FOUND = "not_found"  # 404; or another error, and a complete listing lacks it
    UNKNOWN = "unknown"  # nothing about the batch


class Decision(StrEnum):
    """What becomes of an open batch: as before, reported as stuck, or written off."""

    KEEP = "keep"
    WARN = "warn"
    WRITE_OFF = "write_off"


def decide(batch: Batch, evidence: Evidence, now: datetime) -> Decision:
    """Whether the batch, as recorded after this poll's answer, is stuck or has to be written off.

    A batch that is stuck stays so until the API shows it again; an hour later it is gone, but only
    on an answer of that poll.
    """
    if evidence == Evidence.UNKNOWN or (
        evidence == Evidence.NOT_FOUND
        and not is_overdue(batch, now)
        and not is_past_retention(batch, now)
    ):
        return Decision.KEEP if batch.stuck_ts is None else Decision.WARN
    if evidence == Evidence.OPEN and not is_overdue(batch, now):
        return Decision.KEEP
    if evidence != Evidence.OPEN and is_past_retention(batch, now):
        return Decision.WRITE_OFF
    is_over = batch.stuck_ts is not None and from_text(batch.stuck_ts) + WRITE_OFF_AFTER <= now
    return Decision.WRITE_OFF if is_over else Decision.WARN


def evidence_of(batch: Batch, error: ApiError, listing: Listing) -> Evidence:
    """The evidence of an error for the batch and of the poll's listing; only a 404 counts.

    `batch` is as recorded before the error.
    """
    is_missing = listing.reached_end and batch.remote_id not in listing.batches
    if not isinstance(error, NotFound):
        return Evidence.NOT_FOUND if is_missing else Evidence.UNKNOWN
    since = batch.not_found_ts
    is_proof = is_missing and since is not None and listing.began >= from_text(since)
    return Evidence.ABSENT if is_proof else Evidence.NOT_FOUND


def is_never_ending(remote: RemoteState, now: datetime) -> bool:
    """Whether a batch that is not in the ledger has not ended long after its expiry."""
    return from_text(remote.expires_ts) + MARGIN + WRITE_OFF_AFTER < now


def apply_decision(context: Context, batch: Batch, evidence: Evidence) -> None:
    """Record the decision of `decide`; `batch` is as recorded after the response of this poll."""
    now = context.clock.now()
    match decide(batch, evidence, now):
        case Decision.KEEP:
            if batch.stuck_ts is not None:
                stuck_batches.clear_stuck(context.ledger, batch)
        case Decision.WARN:
            stuck_batches.mark_stuck(context.ledger, batch, reason_of(batch, now))
        case Decision.WRITE_OFF:
            write_off(context, batch)


def write_off(context: Context, batch: Batch) -> bool:
    """End the batch here; the collection of the same poll ends its requests as missing."""
    return stuck_batches.write_off(context.ledger, batch, reason_of(batch, context.clock.now()))


def problems(context: Context) -> Iterator[str]:
    """A line for each stuck batch that is still waited for."""
    now = context.clock.now()
    for batch in stuck_batches.awaited(context.ledger):
        yield describe(batch, now)
