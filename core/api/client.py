"""The client of the Message Batches API, and the only module that calls Anthropic.

Each call is one plain HTTP request, sent once and read as bytes. Only long synchronous responses
use the SDK, which assembles the stream; the SDK takes two seconds of CPU to load (ADR 11). Import
this module where a call is due, since the HTTP library is slow to load as well.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import msgspec

from core.api.batch_schema import batch_of, page_of
from core.api.error_mapping import body_of, to_api_error
from core.api.gzip_stream import ACCEPTED, decompress
from core.api.http_clients import TIMEOUT, Clients
from core.api.protocol import Body, Created, Page
from core.errors import ApiError, NoResponse, Unreachable
from core.gc_pause import gc_paused
from core.redaction import redact, remember
from core.text import pluralize, sanitize
from state.batches.sending import RemoteState
from state.model.errors import TitanError

if TYPE_CHECKING:
    from anthropic import Anthropic

# The version that the SDK of the tests sends.
API_VERSION = "2026-10-21"
_BATCHES = "/v1/messages/batches"
_MESSAGES = "/v1/messages"
_HEADERS = {
    "accept": "application/json",
    "anthropic-version": API_VERSION,
    "user-agent": "titan-console",
}
_JSON = {"content-type": "application/json"}
# A response with more max_tokens is streamed: an idle connection could be closed before it ends.
_MOST_UNSTREAMED_TOKENS = 21_333
_HTTP_ERRORS = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL)
# With these, the API has not received a byte.
_NOT_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)


class AnthropicApi:
    """A `BatchApi` over HTTP. No call is retried here."""

    def __init__(
        self, *, api_key: str, base_url: str, http_client: httpx2.Client | None = None
    ) -> None:
        """Calls go to `base_url` only; `http_client` is for the sandbox in process.

        Raises SettingsError where the environment has invalid proxy or TLS settings.
        """
        remember(api_key)
        self._key = api_key
        self._base_url = base_url.rstrip("/")
        self._headers = _HEADERS | {"authorization": f"Bearer {api_key}"}
        self._loading = Lock()
        self._clients = Clients(http_client)

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def create(self, body: Body) -> Created:
        """Send the batch once, streaming its body."""
        headers = _JSON | {"content-length": str(body.length)} | _betas(body.betas)
        with self._errors():
            response = self._ask("POST", _BATCHES, headers=headers, content=body.pieces())
            remote = batch_of(response.content)
        if remote.counts.total() != body.request_count:
            raise NoResponse(
                f"The API returned a batch of {pluralize(remote.counts.total(), 'request')}"
                f" instead of {body.request_count:,}."
            )
        return Created(remote=remote, account=_account(response.headers))

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        """One page of batches, newest first, after `after_id`."""
        cursor = {"after_id": after_id} if after_id else {}
        with self._errors():
            response = self._ask("GET", _BATCHES, params={"limit": str(limit)} | cursor)
            batches, has_more, last_id = page_of(response.content)
        return Page(
            batches=batches, has_more=has_more, last_id=last_id, account=_account(response.headers)
        )

    def retrieve(self, remote_id: str) -> RemoteState:
        """The status of one batch."""
        with self._errors():
            return batch_of(self._ask("GET", _path_of(remote_id)).content)

    def cancel(self, remote_id: str) -> RemoteState:
        """Cancel the batch."""
        with self._errors():
            return batch_of(self._ask("POST", f"{_path_of(remote_id)}/cancel").content)

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        """Run one request synchronously, at the full price; the message as JSON."""
        max_tokens = params.get("max_tokens")
        with self._errors():
            if isinstance(max_tokens, int) and max_tokens > _MOST_UNSTREAMED_TOKENS:
                return self._run_streamed(params, betas)
            body = msgspec.json.encode(params)
            return self._ask("POST", _MESSAGES, headers=_JSON | _betas(betas), content=body).content

    def _run_streamed(self, params: Mapping[str, object], betas: tuple[str, ...]) -> bytes:
        """Stream a long response, so that its connection is never idle for long."""
        asked: dict[str, Any] = dict(params)
        required = {name: asked.pop(name) for name in ("model", "messages", "max_tokens")}
        with self._loading, gc_paused():
            sdk = self._sdk
        with (
            self._errors_of_the_sdk(),
            sdk.messages.stream(
                **required, extra_body=asked, extra_headers=_betas(betas)
            ) as stream,
        ):
            message = stream.get_final_message()
        if message.stop_reason is None:
            raise NoResponse("The API's response ended early.")
        return message.to_json(indent=None).encode()

    @cached_property
    def _sdk(self) -> "Anthropic":
        from anthropic import Anthropic  # noqa: PLC0415 - 2 s, and seldom needed

        return Anthropic(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=self._clients.first,
        )

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """The decompressed bytes of the results.

        The URL is built from the base URL and the id: `results_url` could name any host, which
        would receive the key.
        """
        with self._errors():
            response = self._ask(
                "GET",
                f"{_path_of(remote_id)}/results",
                headers={"accept": "application/binary", "accept-encoding": ACCEPTED},
                stream=True,
            )
            if response.status_code != HTTPStatus.OK:
                response.close()
                raise NoResponse(f"The API returned {response.status_code} instead of results.")
        try:
            yield self._pieces(response)
        finally:
            response.close()

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        with self._errors():
            # In the sizes received: what arrives before a connection breaks is kept.
            yield from decompress(response.iter_raw(), response.headers.get("content-encoding", ""))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: Iterable[bytes] | bytes | None = None,
        stream: bool = False,
    ) -> httpx2.Response:
        """Send one request; with `stream`, the response's body is not read yet.

        Raises ApiError for an error response, and the HTTP library's errors.
        """
        with self._clients.one() as http:
            request = http.build_request(
                method,
                f"{self._base_url}{path}",
                headers={**self._headers, **(headers or {})},
                params=params,
                content=content,
            )
            response = http.send(request, stream=True, follow_redirects=False)
            if stream and response.is_success:
                return response
            try:
                response.read()
            finally:
                response.close()
        if not response.is_success:
            body = body_of(response.content)
            raise to_api_error(response.status_code, body, response.headers)
        return response

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """Map every error to an ApiError; NoResponse where the API may have accepted the call."""
        try:
            yield
        except ApiError:
            raise
        except _NOT_CONNECTED as error:
            raise Unreachable(f"Cannot connect to the API: {_text_of(error)}") from error
        except httpx2.TimeoutException as error:
            raise NoResponse("The API did not respond in time.") from error
        except (*_HTTP_ERRORS, OSError, TitanError) as error:
            raise NoResponse(f"The connection to the API failed: {_text_of(error)}") from error
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise NoResponse("The API's response cannot be parsed.") from error

    @contextmanager
    def _errors_of_the_sdk(self) -> Generator[None, None, None]:
        """Map the SDK's exceptions to ours, or to the HTTP library's."""
        import anthropic  # noqa: PLC0415 - loaded by now

        try:
            yield
        except anthropic.APIStatusError as error:
            raise to_api_error(error.status_code, error.body, error.response.headers) from error
        except anthropic.AnthropicError as error:
            if isinstance(error.__cause__, httpx2.HTTPError):
                raise error.__cause__ from error
            raise NoResponse(f"The connection to the API failed: {_text_of(error)}") from error
        except AssertionError as error:
            # The SDK raises it for a stream that ends before its first event.
            raise NoResponse("The API's response ended early.") from error


def _text_of(error: Exception) -> str:
    """The exception's message, truncated after the key is removed."""
    return " ".join(sanitize(redact(str(error))).split())[:200]


def _path_of(remote_id: str) -> str:
    return f"{_BATCHES}/{quote(remote_id, safe='')}"


def _betas(betas: tuple[str, ...]) -> dict[str, str]:
    return {"anthropic-beta": ",".join(betas)} if betas else {}


def _account(headers: Mapping[str, str]) -> str | None:
    """The account that the response names: organization, or organization/workspace."""
    organization = headers.get("anthropic-organization-id")
    workspace = headers.get("anthropic-workspace-id")
    return "/".join(part for part in (organization, workspace) if part) or None
