"""The client of the Message Batches API, and the only module that calls Anthropic.

Each call is one HTTP request, sent once by a `Transport` and read as bytes. Long synchronous
responses use the SDK, which assembles the stream; it takes two seconds of CPU to load (ADR 11).
Import this module where a call is due, since the HTTP library is slow to load as well.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
from msgspec import Struct

from core.api.batch_schema import batch_of, page_of
from core.api.call_limits import CallLimits, paced, up_to
from core.api.credentials import Credentials
from core.api.error_mapping import body_of, to_api_error
from core.api.gzip_stream import ACCEPTED, decompress
from core.api.http_clients import Clients
from core.api.protocol import Body, Created, Page
from core.api.transport import Call, DirectTransport, Transport
from core.api.transport_errors import api_errors, sdk_errors
from core.clock import Clock, SystemClock
from core.errors import NoResponse
from core.text import pluralize
from state.batches.sending import RemoteState

_BATCHES = "/v1/messages/batches"
_MESSAGES = "/v1/messages"
# In an account whose organization the API does not name.
_UNNAMED = "-"
# A response with more max_tokens is streamed: an idle connection could be closed before it ends.
_MOST_UNSTREAMED_TOKENS = 21_333


class _Response(Struct, frozen=True):
    """A response that was read to its end."""

    content: bytes
    headers: Mapping[str, str]


class AnthropicApi:
    """A `BatchApi` over HTTP. No call is retried here."""

    def __init__(
        self,
        *,
        base_url: str = "",
        api_key: str | None = None,
        credentials: Credentials | None = None,
        transport: Transport | None = None,
        http_client: httpx2.Client | None = None,
        limits: CallLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Calls go by `transport`; without one to `base_url`, over plain HTTP.

        `api_key` is short for credentials that are a key alone; `http_client` is for the sandbox in
        process. Raises SettingsError where the environment has invalid proxy or TLS settings.
        """
        self._transport = transport or DirectTransport(
            base_url, credentials or Credentials(api_key=api_key)
        )
        self._limits = limits or CallLimits()
        self._monotonic = (clock or SystemClock()).monotonic
        self._clients = Clients(http_client)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
        self._clients.close()

    def create(self, body: Body) -> Created:
        """Send the batch once, streaming its body."""
        headers = {"content-length": str(body.length)} | _betas(body.betas)
        with api_errors():
            response = self._ask(
                Call(method="POST", path=_BATCHES, headers=headers, content=body.pieces()),
                self._limits.create_s(body.length),
            )
            remote = batch_of(response.content)
        if remote.counts.total() != body.request_count:
            raise NoResponse(
                f"The API returned a batch of {pluralize(remote.counts.total(), 'request')}"
                f" instead of {body.request_count:,}."
            )
        return Created(remote=remote, account=self._account(response.headers))

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, after `after_id`."""
        cursor = {"after_id": after_id} if after_id else {}
        with api_errors():
            params = {"limit": str(limit)} | cursor
            response = self._ask(Call(method="GET", path=_BATCHES, params=params))
            page = page_of(response.content)
        return Page(
            batches=page.batches,
            has_more=page.has_more,
            last_id=page.last_id,
            account=self._account(response.headers),
            malformed=page.malformed,
        )

    def retrieve(self, remote_id: str) -> RemoteState:
        """The status of one batch."""
        with api_errors():
            return batch_of(self._ask(Call(method="GET", path=_path_of(remote_id))).content)

    def cancel(self, remote_id: str) -> RemoteState:
        """Cancel the batch."""
        with api_errors():
            call = Call(method="POST", path=f"{_path_of(remote_id)}/cancel")
            return batch_of(self._ask(call).content)

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Run one request synchronously, at the full price; the message as JSON."""
        max_tokens = params.get("max_tokens")
        with api_errors():
            if isinstance(max_tokens, int) and max_tokens > _MOST_UNSTREAMED_TOKENS:
                return self._run_streamed(params, betas)
            body = msgspec.json.encode(params)
            call = Call(method="POST", path=_MESSAGES, headers=_betas(betas), content=body)
            return self._ask(call, self._limits.message_s(max_tokens)).content

    def _run_streamed(self, params: Mapping[str, object], betas: tuple[str, ...]) -> bytes:
        """Stream a long response, so that its connection is never idle for long."""
        asked: dict[str, Any] = dict(params)
        required = {name: asked.pop(name) for name in ("model", "messages", "max_tokens")}
        with self._clients.one(self._limits.message_s(params["max_tokens"])) as timed:
            sdk = self._transport.sdk(timed)
            with (
                sdk_errors(lambda: timed.was_sent),
                sdk.messages.stream(
                    **required, extra_body=asked, extra_headers=_betas(betas)
                ) as stream,
            ):
                message = stream.get_final_message()
        if message.stop_reason is None:
            raise NoResponse("The API's response ended early.")
        return message.to_json(indent=None).encode()

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """The decompressed bytes of the results.

        The URL is built from the base URL and the id: `results_url` could name any host, which
        would receive the key.
        """
        with api_errors():
            response = self._begin(
                f"{_path_of(remote_id)}/results",
                {"accept": "application/binary", "accept-encoding": ACCEPTED},
            )
            if response.status_code != HTTPStatus.OK:
                response.close()
                raise NoResponse(f"The API returned {response.status_code} instead of results.")
        try:
            yield self._pieces(response)
        finally:
            response.close()

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        with api_errors():
            # In the sizes received: what arrives before a connection breaks is kept.
            raw = paced(response.iter_raw(), self._limits, self._monotonic)
            yield from decompress(raw, response.headers.get("content-encoding", ""))

    def _begin(self, path: str, headers: Mapping[str, str]) -> httpx2.Response:
        """A response whose body is not read yet. Raises ApiError for an error response."""
        call = Call(method="GET", path=path, headers=headers, window_s=self._limits.window_s)
        with self._clients.one(self._limits.response_s) as timed:
            response = self._transport.send(timed, call)
            if not response.is_success:
                self._finish(response)
        return response

    def _ask(self, call: Call, limit_s: float | None = None) -> _Response:
        """Send one request. Raises ApiError for an error response, and the HTTP library's errors.

        `limit_s`: for the whole call; by default that of a small one.
        """
        with self._clients.one(limit_s or self._limits.small_s) as timed:
            return self._finish(self._transport.send(timed, call))

    def _account(self, headers: Mapping[str, str]) -> str | None:
        """The account that the response names: organization, or organization/workspace."""
        organization = headers.get("anthropic-organization-id")
        workspace = headers.get("anthropic-workspace-id") or self._transport.workspace
        if workspace and not organization:
            organization = _UNNAMED
        return "/".join(part for part in (organization, workspace) if part) or None

    def _finish(self, response: httpx2.Response) -> _Response:
        """Read the body. Raises ApiError for an error response."""
        try:
            content = b"".join(up_to(response.iter_bytes(), self._limits.response_bytes))
        finally:
            response.close()
        if not response.is_success:
            raise to_api_error(response.status_code, body_of(content), response.headers)
        return _Response(content, response.headers)


def _path_of(remote_id: str) -> str:
    return f"{_BATCHES}/{quote(remote_id, safe='')}"


def _betas(betas: tuple[str, ...]) -> dict[str, str]:
    return {"anthropic-beta": ",".join(betas)} if betas else {}
