"""The protocol of the Message Batches API as the engine uses it; `AnthropicApi` implements it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from state.batches.sending import RemoteState


class Body(Struct, frozen=True, kw_only=True):
    """The body of a create: its length in bytes, and a function that streams its pieces."""

    length: int
    pieces: Callable[[], Iterable[bytes]]
    request_count: int
    betas: tuple[str, ...] = ()


class Created(Struct, frozen=True, kw_only=True):
    """The created batch, and the account that has it."""

    remote: RemoteState
    account: str | None


class Page(Struct, frozen=True, kw_only=True):
    """One page of the list of batches, newest first; `last_id` is the cursor of the next page.

    `malformed` describes the objects of the page that are no batches.
    """

    batches: tuple[RemoteState, ...]
    has_more: bool
    last_id: str | None
    account: str | None
    malformed: tuple[str, ...] = ()


class BatchApi(Protocol):
    """Each call is one HTTP request, never retried, and raises ApiError only."""

    def create(self, body: Body) -> Created:
        """Create a batch. After NoResponse, the API may have accepted it."""
        ...

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, after `after_id`."""
        ...

    def retrieve(self, remote_id: str) -> RemoteState:
        """The status of one batch."""
        ...

    def results(self, remote_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of the results, in pieces of any size, inside the context."""
        ...

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Run one request synchronously, at the full price; the message as JSON.

        After NoResponse, it may have run and be charged. Thread-safe.
        """
        ...

    def cancel(self, remote_id: str) -> RemoteState:
        """Cancel the batch."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
