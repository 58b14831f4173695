"""Deliberate bugs in sending and recovering."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace as changed
from simulation.mutants.patching import patched

import core.batches.refresh
import core.batches.send
import core.batches.unresolved.listing
import core.batches.unresolved.unconfirmed_creates
import state.batches.leases
import state.batches.orphans
import state.batches.sending
from core.api.client import AnthropicApi
from core.batches.create_error_policy import AfterCreate, CreateAction
from core.batches.unresolved.listing import Listing
from core.config.sending_settings import Recovery
from core.errors import ApiError, NoResponse
from state.batches.orphans import Orphan
from state.batches.sending import RemoteState
from state.db.ledger import Fence, Ledger
from state.model.records import Batch

Mutant = Callable[[], Iterator[None]]


def settle_zero() -> Generator[None, None, None]:
    """An unconfirmed create counts as absent in the first list without it."""
    with (
        patched(Recovery, "wait_after_timeout_s", 0.0),
        patched(Recovery, "wait_after_error_s", 0.0),
    ):
        yield


def _listing_changed(change: Callable[[Any, Listing], None]) -> Generator[None, None, None]:
    real = core.batches.unresolved.listing.read_listing

    def read_listing(context: Any, **options: Any) -> Listing:
        listing = real(context, **options)
        change(context, listing)
        return listing

    with patched(core.batches.refresh, "read_listing", read_listing):
        yield


def stale_listing() -> Generator[None, None, None]:
    """A list started before the recovery wait and read after it proves absence."""

    def change(context: Any, listing: Listing) -> None:
        listing.began = context.clock.now()

    return _listing_changed(change)


def first_page_only() -> Generator[None, None, None]:
    """The first page counts as the whole list."""

    def change(_context: Any, listing: Listing) -> None:
        listing.complete = listing.problem is None

    with patched(core.batches.unresolved.listing, "_MOST_PAGES", 1):
        yield from _listing_changed(change)


def incomplete_list() -> Generator[None, None, None]:
    """A truncated list proves absence."""

    def change(_context: Any, listing: Listing) -> None:
        listing.complete = True

    return _listing_changed(change)


def _action_changed(
    changes: Callable[[ApiError], bool], action: CreateAction
) -> Generator[None, None, None]:
    real = core.batches.send.after_create

    def after_create(error: ApiError, recovery: Recovery, *, body_bytes: int) -> AfterCreate:
        found = real(error, recovery, body_bytes=body_bytes)
        is_hit = found.action is CreateAction.UNCONFIRMED and changes(error)
        return changed(found, action=action) if is_hit else found

    with patched(core.batches.send, "after_create", after_create):
        yield


def timeout_is_failure() -> Generator[None, None, None]:
    """No response counts as not sent."""
    return _action_changed(lambda error: error.status is None, CreateAction.NOT_SENT)


def server_error_is_failure() -> Generator[None, None, None]:
    """A 5xx counts as not sent."""
    return _action_changed(lambda error: error.status is not None, CreateAction.NOT_SENT)


def unconfirmed_is_rejected() -> Generator[None, None, None]:
    """An unconfirmed create counts as rejected and is not looked for."""
    return _action_changed(lambda _error: True, CreateAction.REJECT)


def no_frozen_check() -> Generator[None, None, None]:
    """A process that slept for hours posts what others posted meanwhile."""
    with patched(core.batches.send, "FROZEN_AFTER_S", float("inf")):
        yield


def adopt_by_count() -> Generator[None, None, None]:
    """The only batch of the right size counts as the unconfirmed one."""
    real = core.batches.unresolved.unconfirmed_creates._identify

    def identify(context: Any, candidate: Orphan, remote: RemoteState | None) -> None:
        rows = [
            row
            for row in core.batches.unresolved.unconfirmed_creates.unresolved(context)
            if row.status == "unconfirmed" and row.request_count == candidate.request_count
        ]
        if len(rows) == 1 and remote is not None:
            state.batches.orphans.link_to_batch(context.ledger, candidate, remote, rows[0])
        else:
            real(context, candidate, remote)

    with patched(core.batches.unresolved.unconfirmed_creates, "_identify", identify):
        yield


def no_watermark() -> Generator[None, None, None]:
    """The local clock, instead of the watermark, decides which batches are older than the POST."""

    def predates(listing: Listing, remote_id: str, create: Batch) -> bool:
        remote = listing.batches.get(remote_id)
        return remote is not None and remote.created_ts < (create.sent_ts or "")

    with patched(Listing, "predates", predates):
        yield


def sdk_retries() -> Generator[None, None, None]:
    """A create without a response is sent again at once."""
    real = AnthropicApi.create

    def create(self: AnthropicApi, body: Any) -> object:
        for _ in range(2):
            try:
                return real(self, body)
            except NoResponse:
                continue
        return real(self, body)

    with patched(AnthropicApi, "create", create):
        yield


def record_after_post() -> Generator[None, None, None]:
    """The status `sending` is recorded together with the response."""
    real = state.batches.sending.mark_sending
    waiting: dict[tuple[int, int], dict[str, Any]] = {}

    def mark_sending(ledger: Any, batch: Batch, **fields: Any) -> bool:
        waiting[id(ledger), batch.id] = fields
        return True

    def late(then: Callable[..., object]) -> Callable[..., object]:
        def record(ledger: Any, batch: Batch, *rest: Any, **fields: Any) -> object:
            first = waiting.pop((id(ledger), batch.id), None)
            if first is not None:
                real(ledger, batch, **first)
            return then(ledger, batch, *rest, **fields)

        return record

    names = ("mark_accepted", "mark_unconfirmed", "mark_not_sent", "mark_rejected")
    with (
        patched(state.batches.sending, "mark_sending", mark_sending),
        _all(state.batches.sending, names, late),
    ):
        yield


@contextmanager
def _all(
    owner: Any, names: tuple[str, ...], wrap: Callable[[Callable[..., object]], object]
) -> Generator[None, None, None]:
    old = {name: getattr(owner, name) for name in names}
    for name, function in old.items():
        setattr(owner, name, wrap(function))
    try:
        yield
    finally:
        for name, function in old.items():
            setattr(owner, name, function)


def rows_before_list() -> Generator[None, None, None]:
    """Unknown batches are compared with the creates from before the list was read."""
    real, expire = (
        core.batches.unresolved.unconfirmed_creates.unresolved,
        core.batches.unresolved.unconfirmed_creates.expire_senders,
    )
    real_sent = core.batches.unresolved.unconfirmed_creates.orphans.sent_since
    known: dict[int, list[Batch]] = {}
    sent: dict[int, list[Batch]] = {}

    def expire_senders(context: Any, problems: list[str]) -> None:
        known.pop(id(context), None)
        expire(context, problems)
        sent[id(context.ledger)] = real_sent(context.ledger, context.lane, since_ts="")

    def unresolved(context: Any) -> list[Batch]:
        return known.setdefault(id(context), real(context))

    def sent_since(ledger: Any, _lane: str, *, since_ts: str) -> list[Batch]:
        return [batch for batch in sent[id(ledger)] if (batch.sent_ts or "") > since_ts]

    with (
        patched(core.batches.unresolved.unconfirmed_creates, "unresolved", unresolved),
        patched(core.batches.unresolved.unconfirmed_creates, "expire_senders", expire_senders),
        patched(core.batches.unresolved.unconfirmed_creates.orphans, "sent_since", sent_since),
    ):
        yield


def forgotten_candidates() -> Generator[None, None, None]:
    """Candidates are identified only while something else is open."""
    with patched(core.batches.unresolved.unconfirmed_creates, "has_candidates", _no):
        yield


def ignored_duplicates() -> Generator[None, None, None]:
    """A second batch of the same POST counts as foreign."""
    real = state.batches.orphans.link_to_batch

    def link_to_batch(ledger: Any, orphan: Orphan, remote: RemoteState, batch: Batch) -> None:
        if batch.remote_id is None and batch.status != "not_sent":
            real(ledger, orphan, remote, batch)
        else:
            verdict = state.batches.orphans.OrphanVerdict.FOREIGN
            state.batches.orphans.record_verdict(ledger, orphan, verdict, "it is a duplicate")

    with patched(state.batches.orphans, "link_to_batch", link_to_batch):
        yield


def no_lease() -> Generator[None, None, None]:
    """Any number of polls at once. Not a bug: the lease only saves work."""

    def acquire(_ledger: Ledger, name: str, holder: str, **_more: object) -> Fence:
        return Fence(name=name, holder=holder, epoch=0)

    with (
        patched(state.batches.leases, "acquire", acquire),
        patched(state.batches.leases, "renew", _nothing),
        patched(Ledger, "fenced", _unfenced),
    ):
        yield


@contextmanager
def _unfenced(_ledger: Ledger, _fence: Fence) -> Generator[None, None, None]:
    yield


def _nothing(*_all: object, **_more: object) -> None:
    """Instead of a function that raises."""


def _no(_context: object) -> bool:
    return False
