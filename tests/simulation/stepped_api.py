"""The real client with crash points around each call, and a proxy that may repeat a POST."""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from core.api.protocol import BatchApi, Body, Created, Page
from core.errors import ApiError
from state.batches.sending import RemoteState

_NONCE = re.compile(rb'"custom_id":"[^"]*-([0-9a-z]+)"')


class PostWatch(Protocol):
    """Is called for each POST."""

    def begins(self, nonce: str, follow_ups: Sequence[str]) -> None:
        """The engine is about to post; some of the requests go on after an answer."""
        ...

    def repeats(self, nonce: str) -> bool:
        """Whether a proxy sends this POST a second time."""
        ...

    def bills(self, params: Mapping[str, object]) -> AbstractContextManager[None]:
        """Around a synchronous call: records what it is billed."""
        ...

    def defect(self, call: str) -> None:
        """May raise ValueError: a bug while one batch is handled."""
        ...


class SteppedApi:
    """Reports each call to the simulation."""

    def __init__(self, inner: BatchApi, at: Callable[[str], None], watch: PostWatch) -> None:
        self._inner = inner
        self._at = at
        self._watch = watch

    def create(self, body: Body) -> Created:
        nonce = nonce_of(body)
        self._watch.begins(nonce, _follow_ups(body))
        self._at("create:before")
        if self._watch.repeats(nonce):
            # The proxy drops the response to the first POST.
            with suppress(ApiError):
                self._inner.create(body)
        created = self._inner.create(body)
        self._at("create:after")
        self._watch.defect("create")
        return created

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        self._at("list:before")
        page = self._inner.list_page(after_id=after_id, limit=limit)
        self._at("list:after")
        return page

    def retrieve(self, remote_id: str) -> RemoteState:
        self._at("retrieve:before")
        remote = self._inner.retrieve(remote_id)
        self._at("retrieve:after")
        self._watch.defect("retrieve")
        return remote

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        self._at("run_one:before")
        with self._watch.bills(params):
            message = self._inner.run_one(params, betas=betas)
        self._at("run_one:after")
        return message

    def cancel(self, remote_id: str) -> RemoteState:
        self._at("cancel:before")
        remote = self._inner.cancel(remote_id)
        self._at("cancel:after")
        self._watch.defect("cancel")
        return remote

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        self._at("results:before")
        with self._inner.results(remote_id) as pieces:
            self._at("results:opened")
            yield self._in_small_pieces(pieces)

    def close(self) -> None:
        pass

    def _in_small_pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            half = len(piece) // 2
            yield piece[:half]
            self._at("results:piece")
            self._watch.defect("results")
            yield piece[half:]


def _follow_ups(body: Body) -> list[str]:
    """The requests whose conversation has an answer in it already, by the caller's custom_id."""
    requests = json.loads(b"".join(body.pieces()))["requests"]
    return [
        request["custom_id"].rpartition("-")[0]
        for request in requests
        if any(one["role"] == "assistant" for one in request["params"]["messages"])
    ]


def nonce_of(body: Body) -> str:
    """The nonce in the body's custom_ids."""
    found = _NONCE.search(b"".join(body.pieces()))
    return found[1].decode() if found else ""
