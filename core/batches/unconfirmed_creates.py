"""Finds out what became of creates that nobody answered. `docs/lifecycle.md` draws it.

Nothing is ever sent again blindly: a row is given up only when a complete listing, begun after
the settling time, shows no batch that could be it.
"""

from datetime import timedelta

from core.api.line_splitter import split_lines
from core.batches.context import Context
from core.batches.listing import Listing
from core.batches.retry import with_retries
from core.errors import ApiError, NotFound
from state.batches import orphans, sending
from state.batches.orphans import Orphan, OrphanVerdict
from state.batches.sending import RemoteState
from state.batches.submissions import NONCE_LENGTH
from state.model.records import Batch, BatchStatus
from state.model.timestamps import from_text, to_text

# A create is over after its time-out; a twin that turns up a day later has no explanation. One
# more day is for a time of day that is set forward by one while we watch.
WATCH_RELEASED = timedelta(hours=50)
# No create takes longer than its timeout, so the process of an older one is dead.
_SENDING_LEASE = timedelta(minutes=15)
_SKEW = timedelta(minutes=10)
_LOOKS = 20
_LINES_ASKED = 20


def expire_senders(context: Context) -> None:
    """A row whose sender must be dead by now is one that nobody answered."""
    now = context.clock.now()
    settles = now + timedelta(seconds=context.recovery.settle_after_timeout_s)
    for batch in orphans.stale_sending(
        context.ledger,
        before_ts=to_text(now - _SENDING_LEASE),
        after_ts=to_text(now + _SENDING_LEASE),
    ):
        sending.mark_unconfirmed(
            context.ledger,
            batch,
            "The process that sent it ended before the answer.",
            settles_ts=to_text(settles),
        )


def unresolved(context: Context) -> list[Batch]:
    """Rows that may have a batch at the API that the ledger does not know."""
    now = context.clock.now()
    since = now - WATCH_RELEASED
    last = orphans.last_listing(context.ledger)
    listed = from_text(last) if last else since
    if listed > now:
        # The time of day has gone back: that list proves nothing about what was sent since.
        listed = since
    unlisted = listed - timedelta(seconds=context.recovery.settle_after_timeout_s)
    return orphans.unresolved(
        context.ledger, since_ts=to_text(since), unlisted_ts=to_text(max(since, unlisted))
    )


def has_suspects(context: Context) -> bool:
    """Whether there are orphans that are still to be looked into."""
    return bool(orphans.with_verdict(context.ledger, OrphanVerdict.CANDIDATE))


def reaches_back_to(listing: Listing, batch: Batch) -> bool:
    """Whether the listing goes back beyond the newest batch that there was before this POST."""
    if batch.watermark_id and batch.watermark_id in listing.batches:
        return True
    if not batch.watermark_ts or not listing.batches:
        return False
    oldest = next(reversed(listing.batches.values()))
    return from_text(oldest.created_ts) < from_text(batch.watermark_ts) - _SKEW


def resolve(context: Context, listing: Listing, rows: list[Batch]) -> None:
    """Note the strangers, look into those that may be ours, give up what is proved absent."""
    _note_strangers(context, listing, rows)
    for suspect in orphans.with_verdict(context.ledger, OrphanVerdict.CANDIDATE):
        _identify(context, suspect, listing.batches.get(suspect.remote_id))
    for batch in rows:
        if batch.status == BatchStatus.UNCONFIRMED and _is_absent(context, listing, batch):
            sending.mark_not_sent(context.ledger, batch, "It never reached the API.")
    if listing.complete:
        orphans.record_listing(context.ledger, to_text(listing.began))


def _note_strangers(context: Context, listing: Listing, rows: list[Batch]) -> None:
    known = orphans.known_remote_ids(context.ledger, list(listing.batches))
    strangers = [b for b in listing.batches.values() if b.remote_id not in known]
    if not strangers:
        return
    sizes = _sizes_by_fence(context, listing, rows, strangers)
    for remote in strangers:
        may_be_ours = remote.counts.total() in sizes[remote.remote_id]
        verdict = OrphanVerdict.CANDIDATE if may_be_ours else OrphanVerdict.UNKNOWN
        orphans.note(context.ledger, remote, verdict)


def _sizes_by_fence(
    context: Context, listing: Listing, rows: list[Batch], strangers: list[RemoteState]
) -> dict[str, set[int]]:
    """For each listed batch, the sizes of our POSTs that it may come from.

    Rows that have their batch count too: whoever repeated their POST on the way made a twin. The
    time of day may have jumped since a row was sent; the API's own times tell even then.
    """
    sizes: dict[str, set[int]] = {remote_id: set() for remote_id in listing.batches}
    recent = to_text(context.clock.now() - WATCH_RELEASED)
    for batch in rows + orphans.sent_since(context.ledger, since_ts=recent):
        for remote in _after_fence(listing, batch):
            sizes[remote.remote_id].add(batch.request_count)
    oldest = min(from_text(remote.created_ts) for remote in strangers)
    since = to_text(oldest - WATCH_RELEASED)
    for batch in orphans.sent_since(context.ledger, since_ts=since):
        watched_until = max(batch.sent_ts or "", batch.watermark_ts or "")
        latest = from_text(watched_until) + WATCH_RELEASED
        for remote in _after_fence(listing, batch):
            if from_text(remote.created_ts) <= latest:
                sizes[remote.remote_id].add(batch.request_count)
    return sizes


def _after_fence(listing: Listing, batch: Batch) -> list[RemoteState]:
    """The listed batches that may be younger than the row's POST."""
    newer = listing.newer_than(batch.watermark_id) if batch.watermark_id else None
    if newer is not None:
        return newer
    if not batch.watermark_ts:
        return list(listing.batches.values())
    earliest = from_text(batch.watermark_ts) - _SKEW
    return [b for b in listing.batches.values() if from_text(b.created_ts) >= earliest]


def _is_absent(context: Context, listing: Listing, batch: Batch) -> bool:
    """A complete listing, begun when the API had nothing more to take in, shows no candidate."""
    settled = batch.next_poll_ts is not None and listing.began > from_text(batch.next_poll_ts)
    if not settled or not listing.complete:
        return False
    older = _older_than_fence(listing, batch)
    return not any(
        suspect.request_count == batch.request_count and suspect.remote_id not in older
        for suspect in orphans.with_verdict(context.ledger, OrphanVerdict.CANDIDATE)
    )


def _older_than_fence(listing: Listing, batch: Batch) -> set[str]:
    after = {remote.remote_id for remote in _after_fence(listing, batch)}
    return set(listing.batches) - after


def _identify(context: Context, suspect: Orphan, remote: RemoteState | None) -> None:
    """One line of its results tells whose it is, once it has ended."""
    api = context.api()
    try:
        if remote is None:
            remote = with_retries(context, lambda: api.retrieve(suspect.remote_id))
        if remote.status != BatchStatus.ENDED:
            return
        is_readable, ours = _owner(context, suspect.remote_id)
    except NotFound as error:
        _note_failure(context, suspect, str(error))
        return
    except ApiError:
        return
    if not is_readable:
        _note_failure(context, suspect, "Its results cannot be read.")
    elif ours is None:
        orphans.decide(
            context.ledger, suspect, OrphanVerdict.FOREIGN, "its results carry no nonce of ours"
        )
    else:
        orphans.claim(context.ledger, suspect, remote, ours)


def _owner(context: Context, remote_id: str) -> tuple[bool, Batch | None]:
    """Whether any of the first lines can be read, and the row whose nonce one of them carries.

    More than one line is asked, since an answer may hold a line that does not belong to it.
    """
    from core.api.result_schema import BadLineError, decode  # noqa: PLC0415 - slow, seldom needed

    read_lines = 0
    with context.api().results(remote_id) as pieces:
        for line in split_lines(pieces):
            try:
                nonce = decode(line).custom_id.rpartition("-")[2]
            except BadLineError:
                continue
            read_lines += 1
            if len(nonce) == NONCE_LENGTH:
                ours = orphans.batch_of_nonce(context.ledger, nonce)
                if ours is not None:
                    return True, ours
            if read_lines == _LINES_ASKED:
                break
    return read_lines > 0, None


def _note_failure(context: Context, suspect: Orphan, reason: str) -> None:
    if suspect.failures + 1 >= _LOOKS:
        orphans.decide(context.ledger, suspect, OrphanVerdict.UNRESOLVED, reason)
    else:
        orphans.record_failure(context.ledger, suspect)
