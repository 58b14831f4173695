"""One reading of the API's list of batches, newest first, and how far it can be trusted."""

import itertools
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, field

from core.batches.context import Context
from core.batches.retry import with_retries
from core.errors import ApiError
from state.batches.sending import RemoteState

_PAGE = 1000
_MOST_PAGES = 200


class Listing(Struct, kw_only=True):
    """What the list showed, in its order. It proves absence only where it is `complete`.

    `began` is when the first page was asked for: what was sent later may be missing from it.
    """

    began: datetime
    batches: dict[str, RemoteState] = field(default_factory=dict[str, RemoteState])
    complete: bool = False
    account: str | None = None
    trouble: ApiError | None = None

    def newer_than(self, remote_id: str) -> list[RemoteState] | None:
        """What stands before that batch in the list, None when the list does not show it."""
        if remote_id not in self.batches:
            return None
        newer: list[RemoteState] = []
        for batch in self.batches.values():
            if batch.remote_id == remote_id:
                break
            newer.append(batch)
        return newer


def take(context: Context, *, is_enough: Callable[[Listing], bool]) -> Listing:
    """Read pages until it is enough or the list ends; a trouble ends it too, incomplete."""
    listing = Listing(began=context.clock.now())
    api, after_id = context.api(), None
    for _ in range(_MOST_PAGES):
        try:
            page = with_retries(
                context, lambda after_id=after_id: api.list_page(after_id=after_id, limit=_PAGE)
            )
        except ApiError as error:
            listing.trouble = error
            return listing
        if not _is_in_order(listing, page.batches):
            return listing
        listing.account = page.account
        listing.batches.update((batch.remote_id, batch) for batch in page.batches)
        after_id = page.last_id
        if not page.has_more or is_enough(listing):
            listing.complete = True
            return listing
        if not page.batches or after_id is None:
            return listing
    return listing


def _is_in_order(listing: Listing, page: tuple[RemoteState, ...]) -> bool:
    """Newest first, on the page and from the page before on; else the list proves nothing."""
    times = [batch.created_ts for batch in page]
    last = next(reversed(listing.batches.values()), None)
    if last is not None:
        times.insert(0, last.created_ts)
    return all(newer >= older for newer, older in itertools.pairwise(times))
