"""Updates the ledger from the API's list: unconfirmed creates, unknown batches, open batches."""

from core.batches import account, unconfirmed_creates
from core.batches.context import Context
from core.batches.expiry import is_past_retention
from core.batches.isolation import isolated
from core.batches.listing import Listing, read_listing
from core.batches.retry import is_due, next_poll_at, with_retries
from core.errors import (
    ApiError,
    NoResponse,
    NotFound,
    RateLimited,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from state.batches import remote_status
from state.model.records import Batch, BatchStatus


def refresh(context: Context, problems: list[str]) -> int:
    """Return how many batches ended; an incomplete list is one of the problems.

    One listing serves the open batches and the unconfirmed creates. Raises SettingsError where
    the API rejects the key, or where the key belongs to another account.
    """
    unconfirmed_creates.expire_senders(context, problems)
    open_batches = remote_status.at_the_api(context.ledger)
    creates = unconfirmed_creates.unresolved(context)
    if not (open_batches or creates or unconfirmed_creates.has_candidates(context)):
        return 0
    listing = _read_listing(context, open_batches, creates)
    if isinstance(listing.problem, Unauthorized):
        raise SettingsError(
            f"The API rejected the key: {listing.problem}", code="api_key_rejected"
        ) from listing.problem
    account.check(context, listing.account)
    # Read again: the list may show what was sent while it was read.
    creates = unconfirmed_creates.unresolved(context)
    unconfirmed_creates.resolve(context, listing, creates, problems)
    # Read again: batches that were just identified are refreshed like the others.
    open_batches = remote_status.at_the_api(context.ledger)
    ended = 0
    for batch in open_batches:
        with isolated(context, f"Cannot refresh {batch.key}", problems, batch=batch):
            ended += _refresh_one(context, batch, listing)
    problems += [str(listing.problem)] if listing.problem else []
    return ended


def _read_listing(context: Context, open_batches: list[Batch], creates: list[Batch]) -> Listing:
    wanted = {batch.remote_id for batch in open_batches}

    def is_enough(listing: Listing) -> bool:
        # A duplicate of an open batch, made by a proxy, may be listed behind it.
        return wanted.issubset(listing.batches) and all(map(listing.covers, creates + open_batches))

    return read_listing(context, is_enough=is_enough)


def _refresh_one(context: Context, batch: Batch, listing: Listing) -> bool:
    """Record the status of one batch; whether it has ended."""
    remote = listing.batches.get(batch.remote_id or "")
    if remote is None:
        if _is_away(listing.problem) or not is_due(batch, context.clock.now()):
            return False
        try:
            remote = with_retries(context, lambda: context.api().retrieve(batch.remote_id or ""))
        except ApiError as error:
            _record_failure(context, batch, error)
            return False
    return remote_status.record_status(context.ledger, batch, remote).status == BatchStatus.ENDED


def _is_away(problem: ApiError | None) -> bool:
    """Whether the API is down or limits our rate, so that one batch cannot be retrieved either."""
    return isinstance(problem, Unreachable | RateLimited) or (
        isinstance(problem, NoResponse) and problem.status is not None
    )


def _record_failure(context: Context, batch: Batch, error: ApiError) -> None:
    """A 404 for a known batch is transient until the API no longer keeps it."""
    now = context.clock.now()
    if isinstance(error, NotFound) and is_past_retention(batch, now):
        remote_status.mark_deleted(context.ledger, batch, str(error))
        return
    next_poll = next_poll_at(now, failures=batch.failures, retry_after_s=error.retry_after_s)
    remote_status.record_poll_failure(context.ledger, batch, str(error), next_poll=next_poll)
