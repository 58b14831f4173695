"""Calls through the official SDK: profiles, workload identity, and the platforms of AWS and Google.

The SDK finds the credentials, renews tokens and signs; the calls are its documented raw requests.
It takes 2 s and 55 MB to load, so that ordinary accounts do without (ADR 11).
"""

from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx2

from core.api.http_clients import TIMEOUT
from core.api.platform import EXTRAS, Platform, SdkAccount
from core.api.timed_client import TimedClient
from core.api.transport import JSON, Call
from core.api.transport_errors import sdk_errors
from core.errors import SettingsError, Unauthorized
from core.gc_pause import gc_paused

if TYPE_CHECKING:
    from collections.abc import Callable

    from anthropic import Anthropic


class SdkTransport:
    """A `Transport` through the SDK's client of that account, which is loaded on first use."""

    def __init__(self, account: SdkAccount) -> None:
        """Raises SettingsError where what the platform needs is not installed."""
        _require_extra(account.platform)
        self.workspace = account.workspace
        self._account = account
        self._loading = Lock()
        self._client: Anthropic | None = None

    def send(self, timed: TimedClient, call: Call) -> httpx2.Response:
        """The response, whose body is not read yet. Raises ApiError for an error response.

        After a 401 the token is renewed; of these calls, a GET is then sent again.
        """
        try:
            return self._send(timed, call)
        except Unauthorized:
            if not self._renew_token() or call.method != "GET":
                raise
            return self._send(timed, call)

    def _send(self, timed: TimedClient, call: Call) -> httpx2.Response:
        sdk = self.sdk(timed)
        with sdk_errors(lambda: timed.was_sent):
            return _asked(sdk, call, call.timeout)

    def respond(self, timed: TimedClient, call: Call, timeout: httpx2.Timeout) -> httpx2.Response:
        """The response to a call that is sent once; also an error response, whose body is read.

        Raises what the HTTP library raises, and ApiError where there are no credentials.
        """
        import anthropic  # noqa: PLC0415 - 2 s

        sdk = self.sdk(timed)
        with sdk_errors(lambda: timed.was_sent):
            try:
                return _asked(sdk, call, timeout)
            except anthropic.APIStatusError as error:
                return error.response

    def sdk(self, timed: TimedClient) -> "Anthropic":
        """The client with that connection."""
        with self._loading, gc_paused(), sdk_errors(lambda: False):
            self._client = self._client or _open(self._account, timed.client)
            return self._client.with_options(http_client=timed.client)

    def _renew_token(self) -> bool:
        """Whether there is a new token, which the next call uses."""
        with self._loading:
            credentials = self._client and self._client.credentials
            if credentials is None:
                return False
            with sdk_errors(lambda: False):
                credentials(force_refresh=True)
            # The client's cache has the old one.
            self._client = None
            close: Callable[[], object] | None = getattr(credentials, "close", None)
            if close is not None:
                close()
        return True

    def close(self) -> None:
        """Close the connections that fetch tokens."""
        if self._client is not None:
            self._client.close()


def _asked(sdk: "Anthropic", call: Call, timeout: httpx2.Timeout) -> httpx2.Response:
    """The call as one of the SDK's raw requests. Raises what the SDK raises."""
    from anthropic import Stream  # noqa: PLC0415 - loaded by now

    options: dict[str, Any] = {
        "headers": (JSON if call.content is not None else {}) | dict(call.headers),
        "max_retries": 0,
        "timeout": timeout,
        "follow_redirects": False,
    }
    if call.params:
        options["params"] = dict(call.params)
    ask: Callable[..., Any]
    if call.method == "DELETE":
        ask = sdk.delete
        return ask(call.path, cast_to=httpx2.Response, options=options)
    body = {"content": call.content} if call.content is not None else {}
    ask = sdk.get if call.method == "GET" else sdk.post
    return ask(
        call.path,
        cast_to=httpx2.Response,
        options=options,
        stream=True,
        stream_cls=Stream[Any],
        **body,
    )


def _require_extra(platform: Platform) -> None:
    module, extra = EXTRAS.get(platform, ("anthropic", ""))
    package = module.partition(".")[0]
    if find_spec(package) is None or find_spec(module) is None:
        raise SettingsError(
            f"The platform {platform} needs more packages: pip install 'titan-console[{extra}]'",
            code="extra_missing",
        )


def _open(account: SdkAccount, http_client: httpx2.Client) -> "Anthropic":
    """The SDK's client. Raises what the SDK raises where a setting is missing."""
    import anthropic  # noqa: PLC0415 - 2 s

    common: dict[str, Any] = {
        "base_url": account.base_url,
        "http_client": http_client,
        "max_retries": 0,
        "timeout": TIMEOUT,
        # The other transport has no traces either.
        "open_telemetry": False,
    }
    match account.platform:
        case Platform.AWS:
            return anthropic.AnthropicAWS(
                aws_region=account.region,
                aws_profile=account.profile,
                workspace_id=account.workspace,
                **common,
            )
        case Platform.GOOGLE_CLOUD:
            return anthropic.AnthropicGoogleCloud(
                project=account.project,
                location=account.region,
                workspace_id=account.workspace,
                **common,
            )
        case Platform.ANTHROPIC:
            own = {"anthropic-workspace-id": account.workspace} if account.workspace else None
            return anthropic.Anthropic(profile=account.profile, default_headers=own, **common)
