"""Finds out whether a create without a response made a batch; diagram in `docs/lifecycle.md`.

Its requests are queued again only when a complete listing, begun after the recovery wait, proves
that the create made no batch.
"""

from datetime import datetime, timedelta

from core.api.call_limits import CallLimits, up_to
from core.api.line_splitter import split_lines
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.batches.read_retry import with_retries
from core.batches.unresolved.listing import Listing
from core.batches.unresolved.stuck_policy import is_never_ending
from core.batches.unresolved.stuck_reason import OVERDUE
from core.batches.unresolved.unconfirmed_candidates import (
    WATCH,
    is_absent,
    is_candidate,
    may_come_from,
)
from core.errors import ApiError, NotFound
from state.batches import orphans, sending
from state.batches.batch_planning import NONCE_LENGTH
from state.batches.orphans import Orphan, OrphanVerdict
from state.batches.sending import RemoteState
from state.model.records import Batch, BatchStatus
from state.model.timestamps import from_text, to_text

# No create takes longer than its limit, so the process that sent an older one is dead.
_SENDING_LEASE = timedelta(minutes=15)
_LEASE_MARGIN = timedelta(minutes=5)
_MOST_BYTES = 64 << 20
_MOST_FAILURES = 20
_LOST = (
    "A batch at the API that may be this one cannot be identified. Its requests are queued again,"
    " and may be charged twice."
)
_MOST_LINES = 20


def expire_senders(context: Context, problems: list[str]) -> None:
    """Mark creates whose process must be dead as unconfirmed."""
    now = context.clock.now()
    wait_until = now + timedelta(seconds=context.recovery.wait_after_timeout_s)
    for batch in orphans.stale_sending(
        context.ledger,
        before_ts=to_text(now - _SENDING_LEASE),
        after_ts=to_text(now + _SENDING_LEASE),
    ):
        if _may_be_sending(batch, now):
            continue
        with isolated(context, f"Cannot resolve {batch.key}", problems, batch=batch):
            sending.mark_unconfirmed(
                context.ledger,
                batch,
                "The process that sent it ended before a response arrived.",
                wait_until_ts=to_text(wait_until),
            )


def _may_be_sending(batch: Batch, now: datetime) -> bool:
    """Whether the upload of a large batch may not have met its limit yet."""
    since = now - from_text(batch.sent_ts or batch.created_ts)
    limit = timedelta(seconds=CallLimits().create_s(batch.bytes)) + _LEASE_MARGIN
    return timedelta() <= since < limit


def unresolved(context: Context) -> list[Batch]:
    """Creates that may have made a batch that the ledger does not know."""
    now = context.clock.now()
    since = now - WATCH
    last = orphans.last_listing(context.ledger, context.lane)
    listed = from_text(last) if last else since
    if listed > now:
        # The clock was set back: that listing proves nothing about what was sent since.
        listed = since
    unlisted = listed - timedelta(seconds=context.recovery.wait_after_timeout_s)
    return orphans.unresolved(
        context.ledger,
        context.lane,
        since_ts=to_text(since),
        unlisted_ts=to_text(max(since, unlisted)),
    )


def has_candidates(context: Context) -> bool:
    """Whether there are unknown batches that may be ours and are not identified yet."""
    return bool(_candidates(context))


def _candidates(context: Context) -> list[Orphan]:
    return orphans.with_verdict(context.ledger, OrphanVerdict.CANDIDATE, context.lane)


def resolve(context: Context, listing: Listing, creates: list[Batch], problems: list[str]) -> None:
    """Record unknown batches, identify candidates, and mark creates that made no batch.

    Where a listed batch could not be recorded, the listing proves nothing: that may be the one.
    """
    failed: list[str] = []
    _reconsider(context, listing)
    _record_unknown(context, listing, creates, failed)
    problems += failed
    found = _candidates(context)
    for candidate in context.time.items(
        f"identify{context.of_lane}", found, lambda batch: batch.remote_id
    ):
        with isolated(context, f"Cannot identify {candidate.remote_id}", problems):
            _identify(context, candidate, listing.batches.get(candidate.remote_id))
    if failed:
        return
    left = _candidates(context)
    lost = orphans.with_verdict(context.ledger, OrphanVerdict.UNRESOLVED, context.lane)
    for create in creates:
        with isolated(context, f"Cannot resolve {create.key}", problems, batch=create):
            if create.status == BatchStatus.UNCONFIRMED and is_absent(create, listing, left):
                _release(context, create, lost)
    if listing.complete:
        orphans.record_listing(context.ledger, context.lane, to_text(listing.began))


def _reconsider(context: Context, listing: Listing) -> None:
    """An orphan that had vanished, or seemed to have no end, has ended: its results name its owner.

    Not one whose results could not be parsed.
    """
    for orphan in orphans.with_verdict(context.ledger, OrphanVerdict.UNRESOLVED, context.lane):
        remote = listing.batches.get(orphan.remote_id)
        is_readable = orphan.failures < _MOST_FAILURES
        if remote and remote.status == BatchStatus.ENDED and is_readable:
            orphans.reopen_search(context.ledger, orphan)


def _release(context: Context, create: Batch, lost: list[Orphan]) -> None:
    """Queue the requests again; they may be charged twice where a batch of theirs may be lost."""
    if any(may_come_from(orphan, create) for orphan in lost):
        sending.mark_not_sent(context.ledger, create, _LOST, may_have_run=True)
    else:
        sending.mark_not_sent(context.ledger, create, "The create did not reach the API.")


def _record_unknown(
    context: Context, listing: Listing, creates: list[Batch], problems: list[str]
) -> None:
    known = orphans.known_remote_ids(context.ledger, context.lane, list(listing.batches))
    unknown = [b for b in listing.batches.values() if b.remote_id not in known]
    if not unknown:
        return
    now = context.clock.now()
    earliest = min(now, *(from_text(remote.created_ts) for remote in unknown)) - WATCH
    since_ts = to_text(earliest)
    creates = creates + orphans.sent_since(context.ledger, context.lane, since_ts=since_ts)
    for remote in unknown:
        with isolated(context, f"Cannot record {remote.remote_id}", problems):
            may_be_ours = any(is_candidate(remote, create, listing, now) for create in creates)
            verdict = OrphanVerdict.CANDIDATE if may_be_ours else OrphanVerdict.UNKNOWN
            orphans.record_orphan(context.ledger, remote, verdict, context.lane)


def _identify(context: Context, candidate: Orphan, remote: RemoteState | None) -> None:
    """Identify a candidate that has ended, by the nonce in its results."""
    api = context.api()
    try:
        remote = remote or with_retries(context, lambda: api.retrieve(candidate.remote_id))
        if remote.status != BatchStatus.ENDED:
            _give_up_after_expiry(context, candidate, remote)
        else:
            _decide(context, candidate, remote, *_owner(context, candidate.remote_id))
    except NotFound as error:
        _record_failure(context, candidate, str(error), is_there=False)
    except ApiError as error:
        if error.code == "response_too_large":
            _record_failure(context, candidate, str(error), is_there=True)


def _decide(
    context: Context,
    candidate: Orphan,
    remote: RemoteState,
    is_readable: bool,
    create: Batch | None,
) -> None:
    if not is_readable:
        reason = "The results of the batch cannot be parsed."
        _record_failure(context, candidate, reason, is_there=True)
    elif create is None:
        reason = "its results have no nonce of this ledger"
        orphans.record_verdict(context.ledger, candidate, OrphanVerdict.FOREIGN, reason)
    else:
        orphans.link_to_batch(context.ledger, candidate, remote, create)


def _owner(context: Context, remote_id: str) -> tuple[bool, Batch | None]:
    """Return whether any of the first lines can be parsed, and the create with the nonce in one.

    Several lines are read, since a response may contain a line of another batch.
    """
    from core.api.result_schema import BadLineError, decode  # noqa: PLC0415 - slow, seldom needed

    parsed = 0
    with context.api().results(remote_id) as pieces:
        for line in split_lines(up_to(pieces, _MOST_BYTES)):
            try:
                nonce = decode(line).custom_id.rpartition("-")[2]
            except BadLineError:
                continue
            parsed += 1
            if len(nonce) == NONCE_LENGTH:
                create = orphans.batch_of_nonce(context.ledger, nonce)
                if create is not None:
                    return True, create
            if parsed == _MOST_LINES:
                break
    return parsed > 0, None


def _give_up_after_expiry(context: Context, candidate: Orphan, remote: RemoteState) -> None:
    if is_never_ending(remote, context.clock.now()):
        orphans.record_verdict(context.ledger, candidate, OrphanVerdict.UNRESOLVED, OVERDUE)


def _record_failure(context: Context, candidate: Orphan, reason: str, *, is_there: bool) -> None:
    """Count a failure; give up after many of one kind in a row."""
    before = max(candidate.failures, 0) if is_there else min(candidate.failures, 0)
    failures = before + (1 if is_there else -1)
    orphans.record_failure(context.ledger, candidate, failures)
    if abs(failures) >= _MOST_FAILURES:
        orphans.record_verdict(context.ledger, candidate, OrphanVerdict.UNRESOLVED, reason)
