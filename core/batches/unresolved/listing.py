"""Reads the API's list of batches, newest first, and decides what the list proves."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.batches.engine_context import Context
from core.batches.read_retry import with_retries
from core.errors import ApiError
from core.text import pluralize
from state.batches.sending import RemoteState
from state.model.records import Batch
from state.model.timestamps import from_text

_PAGE = 1000
_MOST_PAGES = 200
# The API's times of two batches may be out of order by this much.
_SKEW = timedelta(minutes=10)


class Listing(Struct, kw_only=True):
    """The listed batches by id, newest first. Only a `complete` listing proves absence.

    It is complete where it went as far back as was needed; `reached_end`: it has every batch. With
    a malformed object it is neither, since that may be any batch.

    `began` is when the first page was requested: batches created later may be missing.
    `positions` are the indexes in the list, 0 for the newest. `problem` ended the reading early.
    """

    began: datetime
    batches: dict[str, RemoteState] = field(default_factory=dict[str, RemoteState])
    positions: dict[str, int] = field(default_factory=dict[str, int])
    complete: bool = False
    reached_end: bool = False
    account: str | None = None
    problem: ApiError | None = None
    malformed: list[str] = field(default_factory=list[str])

    def add(self, page: tuple[RemoteState, ...]) -> bool:
        """Append a page; False where it is not newest first, so that the list proves nothing."""
        last = next(reversed(self.batches.values()), None)
        times = [batch.created_ts for batch in ((last, *page) if last else page)]
        if any(newer < older for newer, older in itertools.pairwise(times)):
            return False
        for batch in page:
            self.batches[batch.remote_id] = batch
            self.positions.setdefault(batch.remote_id, len(self.positions))
        return True

    def problems(self) -> list[str]:
        """Why it is not complete, as far as the API is the reason."""
        found = [str(self.problem)] if self.problem else []
        if self.malformed:
            count = pluralize(len(self.malformed), "entry", "entries")
            found.append(
                f"The API's list of batches has {count} that cannot be read"
                f" ({str(self.malformed[0]).rstrip('.')}). No batch counts as missing in this poll;"
                " the next poll reads the list again."
            )
        return found

    def predates(self, remote_id: str, create: Batch) -> bool:
        """Whether the listed batch existed before that create was sent.

        Batches at or behind the create's watermark (the newest batch listed before the send) did.
        Where the watermark is not listed, the API's times decide, with a tolerance.
        """
        if remote_id not in self.positions:
            return False
        if create.watermark_id in self.positions:
            return self.positions[remote_id] >= self.positions[create.watermark_id]
        if not create.watermark_ts:
            return False
        created = from_text(self.batches[remote_id].created_ts)
        return created < from_text(create.watermark_ts) - _SKEW

    def covers(self, create: Batch) -> bool:
        """Whether the listing goes back to batches from before that create."""
        if create.watermark_id in self.positions:
            return True
        oldest = next(reversed(self.batches), None)
        return bool(create.watermark_ts and oldest) and self.predates(oldest or "", create)


def read_listing(context: Context, *, is_enough: Callable[[Listing], bool]) -> Listing:
    """Read pages until `is_enough` or the end; an error ends it too, and it is not complete."""
    listing = Listing(began=context.clock.now())
    api, after_id = context.api(), None
    for _ in range(_MOST_PAGES):
        try:
            page = with_retries(
                context, lambda after_id=after_id: api.list_page(after_id=after_id, limit=_PAGE)
            )
        except ApiError as error:
            listing.problem = error
            return listing
        if not listing.add(page.batches):
            return listing
        listing.account = page.account
        listing.malformed += page.malformed
        after_id = page.last_id
        if not page.has_more or is_enough(listing):
            listing.complete = not listing.malformed
            listing.reached_end = listing.complete and not page.has_more
            return listing
        if not (page.batches or page.malformed) or after_id is None:
            return listing
    return listing
