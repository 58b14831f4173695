"""Decides which unknown batches at the API may come from a create of this ledger."""

from datetime import datetime, timedelta

from core.batches.unresolved.listing import Listing
from state.batches.orphans import Orphan
from state.batches.sending import RemoteState
from state.model.records import Batch, BatchStatus
from state.model.timestamps import from_text

# A create ends with its timeout, and its batch appears within minutes. Two more days cover a
# clock that is set forward by a day in between.
WATCH = timedelta(hours=50)


def is_candidate(remote: RemoteState, create: Batch, listing: Listing, now: datetime) -> bool:
    """Whether the listed batch may come from that create.

    The batch must have the create's size and be newer than its watermark. If the create is neither
    open nor recent, the batch must have appeared soon after the create. Creates with a batch count
    too, since a proxy may have repeated their POST.
    """
    if remote.counts.total() != create.request_count:
        return False
    if listing.predates(remote.remote_id, create):
        return False
    if create.status in (BatchStatus.SENDING, BatchStatus.UNCONFIRMED):
        return True
    sent = create.sent_ts or create.created_ts
    if now <= from_text(max(sent, create.ended_ts or "")) + WATCH:
        return True
    # The local clock may have jumped since the send; the API's times are still comparable.
    return from_text(remote.created_ts) <= from_text(max(sent, create.watermark_ts or "")) + WATCH


def may_come_from(lost: Orphan, create: Batch) -> bool:
    """Whether an orphan that was never identified may be the batch of that create.

    The local clock may be days ahead of the API's, which has the time of the watermark.
    """
    created = from_text(lost.remote_created_ts)
    times = (create.sent_ts or create.created_ts, create.watermark_ts)
    return lost.request_count == create.request_count and any(
        abs(created - from_text(sent)) <= WATCH for sent in times if sent
    )


def is_absent(create: Batch, listing: Listing, candidates: list[Orphan]) -> bool:
    """Whether the listing proves that no batch came from that unconfirmed create.

    The listing must be complete and begun after the recovery wait, when the API could no longer
    accept the create, and no unresolved candidate may have its size.
    """
    wait_until_ts = create.next_poll_ts
    if wait_until_ts is None or not listing.complete or listing.began <= from_text(wait_until_ts):
        return False
    return not any(
        candidate.request_count == create.request_count
        and not listing.predates(candidate.remote_id, create)
        for candidate in candidates
    )
