"""Updates the ledger from the API's list: unconfirmed creates, unknown batches, open batches."""

from collections.abc import Iterator
from datetime import timedelta

from core.batches import account_check
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.batches.read_retry import is_due, next_poll_at, with_retries
from core.batches.unresolved import stuck_policy, unconfirmed_creates
from core.batches.unresolved.listing import Listing, read_listing
from core.batches.unresolved.stuck_policy import Evidence
from core.config.durations import RETENTION
from core.errors import (
    ApiError,
    NoResponse,
    NotFound,
    RateLimited,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from state.batches import poll_problems, remote_status, stuck_batches
from state.model.records import Batch, BatchStatus
from state.model.timestamps import from_text, to_text

# How often the list is searched for batches that were written off.
_LOOK_AGAIN = timedelta(hours=1)


def refresh(context: Context, problems: list[str]) -> int:
    """Return how many batches of the lane ended; an incomplete list is one of the problems.

    One listing serves the open batches and the unconfirmed creates. Raises SettingsError where
    the API rejects the key, or where the key belongs to another account.
    """
    unconfirmed_creates.expire_senders(context, problems)
    open_batches = remote_status.open_at_api(context.ledger, context.lane)
    creates = unconfirmed_creates.unresolved(context)
    written_off = _written_off(context)
    wanted = [batch for batch in written_off if is_due(batch, context.clock.now())]
    if not (open_batches or creates or wanted or unconfirmed_creates.has_candidates(context)):
        return 0
    listing = _read_listing(context, open_batches, creates, wanted)
    if isinstance(listing.problem, Unauthorized):
        raise SettingsError(
            f"The API rejected the key: {listing.problem}", code="api_key_rejected"
        ) from listing.problem
    account_check.check(context, listing.account)
    # Read again: the list may show what was sent while it was read.
    creates = unconfirmed_creates.unresolved(context)
    unconfirmed_creates.resolve(context, listing, creates, problems)
    # Read again: batches that were just identified are refreshed like the others.
    open_batches = remote_status.open_at_api(context.ledger, context.lane)
    ended = 0
    for batch in context.time.items(
        f"refresh{context.of_lane}", open_batches, lambda batch: batch.key
    ):
        with isolated(context, f"Cannot refresh {batch.key}", problems, batch=batch):
            ended += _refresh_one(context, batch, listing, problems)
    problems += listing.problems()
    if listing.malformed:
        poll_problems.record(context.ledger, "The API's list", listing.malformed[0])
    _confirm_absence(context, listing, problems)
    _reopen_returned(context, listing, written_off, problems)
    return ended


def _read_listing(
    context: Context, open_batches: list[Batch], creates: list[Batch], written_off: list[Batch]
) -> Listing:
    """Read the list as far back as these; for batches that answered 404 only when they are due."""
    now = context.clock.now()
    asked = [batch for batch in open_batches if batch.not_found_ts is None or is_due(batch, now)]
    wanted = {batch.remote_id for batch in asked}

    def is_enough(listing: Listing) -> bool:
        # A duplicate of an open batch, made by a proxy, may be listed behind it.
        return wanted.issubset(listing.batches) and all(
            map(listing.covers, creates + asked + written_off)
        )

    return read_listing(context, is_enough=is_enough)


def _refresh_one(context: Context, batch: Batch, listing: Listing, problems: list[str]) -> bool:
    """Record the status of one batch; whether it has ended."""
    remote = listing.batches.get(batch.remote_id or "")
    if remote is None:
        if _is_away(listing.problem):
            return False
        if not is_due(batch, context.clock.now()):
            problems += _unread(batch, listing)
            return False
        try:
            remote = with_retries(context, lambda: context.api().retrieve(batch.remote_id or ""))
        except ApiError as error:
            _record_failure(context, batch, error)
            recorded = remote_status.reload_batch(context.ledger, batch.id)
            problems += _unread(recorded, listing)
            stuck_policy.apply_decision(
                context, recorded, stuck_policy.evidence_of(batch, error, listing)
            )
            return False
    batch = remote_status.record_status(context.ledger, batch, remote)
    if batch.status == BatchStatus.ENDED:
        return True
    stuck_policy.apply_decision(context, batch, Evidence.OPEN)
    return False


def _unread(batch: Batch, listing: Listing) -> Iterator[str]:
    """The problem of a batch whose status could not be read, where no other problem names it.

    That of the list does where it could not be read either, and `stuck_policy` names a batch that
    is not found.
    """
    if batch.failures and batch.not_found_ts is None and listing.problem is None:
        said = f"{batch.key}: its status cannot be read; next try at {batch.next_poll_ts}."
        yield f"{said} {batch.last_error or ''}".rstrip()


def _is_away(problem: ApiError | None) -> bool:
    """Whether the API is down or limits our rate, so that one batch cannot be retrieved either."""
    return isinstance(problem, Unreachable | RateLimited) or (
        isinstance(problem, NoResponse) and problem.status is not None
    )


def _record_failure(context: Context, batch: Batch, error: ApiError) -> None:
    now = context.clock.now()
    remote_status.record_poll_failure(
        context.ledger,
        batch,
        str(error),
        next_poll=next_poll_at(now, failures=batch.failures, retry_after_s=error.retry_after_s),
        is_not_found=isinstance(error, NotFound),
    )


def _confirm_absence(context: Context, listing: Listing, problems: list[str]) -> None:
    """Read the list once more for batches whose first 404 came after the poll's listing."""
    new = [
        batch
        for batch in remote_status.open_at_api(context.ledger, context.lane)
        if batch.stuck_ts is None
        and batch.not_found_ts is not None
        and from_text(batch.not_found_ts) >= listing.began
    ]
    if not new:
        return
    again = read_listing(
        context, is_enough=lambda seen: all(batch.remote_id in seen.batches for batch in new)
    )
    account_check.check(context, again.account)
    for batch in new:
        with isolated(context, f"Cannot refresh {batch.key}", problems, batch=batch):
            if again.reached_end and batch.remote_id not in again.batches:
                stuck_policy.apply_decision(context, batch, Evidence.ABSENT)


def _written_off(context: Context) -> list[Batch]:
    """Batches whose results would still be taken if the API showed them again."""
    since = to_text(context.clock.now() - RETENTION)
    return stuck_batches.written_off(context.ledger, accepted_after_ts=since, lane=context.lane)


def _reopen_returned(
    context: Context, listing: Listing, written_off: list[Batch], problems: list[str]
) -> None:
    """Collect what was written off and has ended at the API; look for the others in an hour."""
    now = context.clock.now()
    due: list[Batch] = []
    for batch in written_off:
        remote = listing.batches.get(batch.remote_id or "")
        if remote is not None and remote.status == BatchStatus.ENDED:
            with isolated(context, f"Cannot reopen {batch.key}", problems):
                stuck_batches.reopen(context.ledger, batch)
        elif listing.complete and is_due(batch, now):
            due.append(batch)
    if due:
        stuck_batches.schedule_check(context.ledger, due, now + _LOOK_AGAIN)
