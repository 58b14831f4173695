"""How a call reaches the API: over plain HTTP here, or through the SDK (`sdk_transport`)."""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
from msgspec import Struct, field

from core.api.credentials import Credentials
from core.api.http_clients import TIMEOUT
from core.api.timed_client import TimedClient
from core.gc_pause import gc_paused

if TYPE_CHECKING:
    from anthropic import Anthropic

# The version that the SDK of the tests sends.
API_VERSION = "2026-10-21"
_HEADERS = {
    "accept": "application/json",
    "anthropic-version": API_VERSION,
    "user-agent": "titan-console",
}
JSON = {"content-type": "application/json"}


class Call(Struct, frozen=True, kw_only=True):
    """One HTTP request; `headers` are those of this call, `window_s` limits each read."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    content: Iterable[bytes] | bytes | None = None
    window_s: float | None = None

    @property
    def timeout(self) -> httpx2.Timeout:
        """Of its connection, and of each read and write."""
        if self.window_s is None:
            return TIMEOUT
        return httpx2.Timeout(self.window_s, connect=TIMEOUT.connect)


class Transport(Protocol):
    """Sends a call once, without retries and redirects."""

    #: The workspace that is asked for; the API's response may not name it.
    workspace: str | None

    def send(self, timed: TimedClient, call: Call) -> httpx2.Response:
        """The response, whose body is not read yet; one that is no success, or ApiError."""
        ...

    def sdk(self, timed: TimedClient) -> "Anthropic":
        """The SDK's client, for a long synchronous answer."""
        ...

    def close(self) -> None:
        """Release the credentials."""
        ...


class DirectTransport:
    """Plain HTTP with the credentials of an ordinary account or a gateway, fast to load."""

    def __init__(
        self, base_url: str, credentials: Credentials, *, workspace: str | None = None
    ) -> None:
        """Calls go to `base_url` only."""
        self.workspace = workspace
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._own = {"anthropic-workspace-id": workspace} if workspace else {}
        self._loading = Lock()
        self._sdk: Anthropic | None = None

    def send(self, timed: TimedClient, call: Call) -> httpx2.Response:
        """The response, whose body is not read yet; an error response, too."""
        request = timed.client.build_request(
            call.method,
            f"{self._base_url}{call.path}",
            headers=self._headers(call),
            params=call.params or None,
            content=call.content,
            timeout=call.timeout,
        )
        return timed.client.send(request, stream=True, follow_redirects=False)

    def _headers(self, call: Call) -> httpx2.Headers:
        """The headers of a call, in the precedence of the SDK."""
        headers = httpx2.Headers(encoding="utf-8")
        body = JSON if call.content is not None else {}
        headers.update(_HEADERS | body | self._credentials.authorization() | self._own)
        for layer in (self._credentials.headers, call.headers):
            headers.update(httpx2.Headers(layer, encoding="utf-8"))
        return headers

    def sdk(self, timed: TimedClient) -> "Anthropic":
        """A client of the SDK with the same credentials."""
        with self._loading, gc_paused():
            self._sdk = self._sdk or self._load()
        return self._sdk.with_options(http_client=timed.client)

    def _load(self) -> "Anthropic":
        from anthropic import Anthropic, Omit  # noqa: PLC0415 - 2 s, and seldom needed

        used = self._credentials
        headers: dict[str, Any] = {} if used.authorization() else {"authorization": Omit()}
        return Anthropic(
            api_key=used.api_key,
            # Without a credential, the SDK would look for one in files of its own.
            auth_token=None if used.api_key else used.auth_token or "",
            base_url=self._base_url,
            default_headers=headers | self._own | dict(used.headers),
            max_retries=0,
            timeout=TIMEOUT,
        )

    def close(self) -> None:
        """Nothing is held."""
