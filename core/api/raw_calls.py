"""Calls of the API without the client's rules, so that each answer is seen as it came."""

from contextlib import ExitStack

import httpx2

from core.api.call_limits import up_to
from core.api.credentials import Credentials
from core.api.exchanges import Answer, Call, kept_headers
from core.api.http_clients import TIMEOUT, Clients
from core.api.platform import SdkAccount
from core.api.sdk_transport import SdkTransport
from core.api.timed_client import TimedClient
from core.api.transport import API_VERSION
from core.api.transport import Call as TransportCall
from core.errors import NoResponse

# A key that no account has.
WRONG_KEY = "sk-ant-invalid"
_LIMIT_S = 120.0
_MOST_BYTES = 64 << 20
# After the last byte of a call that is cut.
_CUT_S = 0.001


class RawApi:
    """Sends each call once."""

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        workspace: str | None = None,
        http_client: httpx2.Client | None = None,
    ) -> None:
        """Calls go to `base_url`; `http_client` is for the sandbox in process."""
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._own = {"anthropic-workspace-id": workspace} if workspace else {}
        self._clients = Clients(http_client)

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def send(self, call: Call) -> Answer:
        """The answer, or the kind of failure; no exception for anything that a network can do."""
        try:
            with ExitStack() as stack:
                response = self._sent(stack.enter_context(self._clients.one(_LIMIT_S)), call)
                stack.callback(response.close)
                if call.is_cut:
                    return Answer(failure="cut")
                body = b"".join(up_to(response.iter_bytes(), _MOST_BYTES))
        except httpx2.TimeoutException:
            return Answer(failure="cut" if call.is_cut else "timeout")
        except httpx2.ConnectError:
            return Answer(failure="connect")
        except (httpx2.HTTPError, httpx2.StreamError, OSError, NoResponse):
            return Answer(failure="broken")
        return Answer(
            status=response.status_code,
            headers=kept_headers(response.headers),
            body=body.decode("utf-8", "replace"),
        )

    def _sent(self, timed: TimedClient, call: Call) -> httpx2.Response:
        """The response, also an error response."""
        request = self._request(timed.client, call)
        return timed.client.send(request, stream=True, follow_redirects=False)

    def _request(self, http: httpx2.Client, call: Call) -> httpx2.Request:
        return http.build_request(
            call.method,
            f"{self._base_url}{call.path}",
            params=dict(call.query) or None,
            content=None if call.body is None else call.body.encode(),
            headers=self._headers(call),
            timeout=_timeout(call),
        )

    def _headers(self, call: Call) -> httpx2.Headers:
        used = self._credentials
        headers = httpx2.Headers({"anthropic-version": API_VERSION}, encoding="utf-8")
        headers["accept"] = "application/json"
        headers["user-agent"] = "titan-console"
        if call.body is not None:
            headers["content-type"] = "application/json"
        headers.update(_betas(call))
        headers.update(used.authorization() | self._own)
        headers.update(httpx2.Headers(used.headers, encoding="utf-8"))
        if call.has_wrong_key:
            headers.pop("x-api-key", None)
            headers["authorization"] = f"Bearer {WRONG_KEY}"
        return headers


class RawSdkApi(RawApi):
    """The same through the SDK's client of an account, which finds and proves its credentials."""

    def __init__(self, account: SdkAccount, http_client: httpx2.Client | None = None) -> None:
        """Raises SettingsError where what the platform needs is not installed."""
        super().__init__(base_url="", credentials=Credentials(), http_client=http_client)
        self._transport = SdkTransport(account)

    def close(self) -> None:
        """Close the connections, also those that fetch tokens."""
        self._transport.close()
        super().close()

    def _sent(self, timed: TimedClient, call: Call) -> httpx2.Response:
        """See `RawApi`. Raises ApiError where there are no credentials."""
        if call.has_wrong_key:
            # The SDK would put the account's own in its place.
            self._base_url = str(self._transport.sdk(timed).base_url).rstrip("/")
            return super()._sent(timed, call)
        asked = TransportCall(
            method=call.method,
            path=call.path,
            headers=_betas(call),
            params=call.query,
            content=None if call.body is None else call.body.encode(),
        )
        return self._transport.respond(timed, asked, _timeout(call))


def _betas(call: Call) -> dict[str, str]:
    return {"anthropic-beta": ",".join(call.betas)} if call.betas else {}


def _timeout(call: Call) -> httpx2.Timeout:
    read = _CUT_S if call.is_cut else TIMEOUT.read
    return httpx2.Timeout(TIMEOUT.read, connect=TIMEOUT.connect, read=read)
