"""The way a batch reaches a model, in our words. `client.AnthropicApi` implements it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from state.batches.sending import RemoteState


class Body(Struct, frozen=True, kw_only=True):
    """A create's body, ready to be streamed: its exact length, and its pieces, made when asked."""

    length: int
    pieces: Callable[[], Iterable[bytes]]
    request_count: int
    betas: tuple[str, ...] = ()


class Created(Struct, frozen=True, kw_only=True):
    """The API's answer to a create, and whose account it went to."""

    remote: RemoteState
    account: str | None


class Page(Struct, frozen=True, kw_only=True):
    """One page of the API's listing, newest first."""

    batches: tuple[RemoteState, ...]
    has_more: bool
    last_id: str | None
    account: str | None


class BatchApi(Protocol):
    """Each call is one HTTP request, never repeated here, and raises ApiError only."""

    def create(self, body: Body) -> Created:
        """Send the batch, once. Whoever calls must know that NoResponse may mean: taken in."""
        ...

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, from behind `after_id` on."""
        ...

    def retrieve(self, remote_id: str) -> RemoteState:
        """What the API says of one batch."""
        ...

    def results(self, remote_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """The raw bytes of the results, in pieces of any size, while inside the context."""
        ...

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Answer one request now, at the full price: the message as JSON.

        NoResponse may mean: answered, and paid. Safe to call from several threads.
        """
        ...

    def cancel(self, remote_id: str) -> RemoteState:
        """Ask for the batch to end early."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...
