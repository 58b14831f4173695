"""Run the sandbox in process, as an httpx2 transport under the client or the SDK."""

from collections.abc import Iterator

import httpx2

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.http_messages import (
    CutOffError,
    Failure,
    HttpRequest,
    HttpResponse,
    Server,
)


class SandboxTransport(httpx2.BaseTransport):
    """A transport that calls the sandbox directly; bodies are streamed in both directions."""

    def __init__(self, sandbox: Server) -> None:
        """Serve one sandbox."""
        self._sandbox = sandbox

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer, or fail as a network would."""
        answer = self._sandbox.handle(_translate(request))
        if answer.failure:
            raise _error(answer.failure, request)
        self._wait(answer.delay, request)
        body = answer.body
        stream = _Stream(iter([body]) if isinstance(body, bytes) else body, request)
        return httpx2.Response(answer.status, headers=_headers(answer), stream=stream)

    def _wait(self, seconds: float, request: httpx2.Request) -> None:
        """Delay a slow answer, or raise a timeout if the caller waits less than that."""
        if not seconds:
            return
        timeout: object = request.extensions.get("timeout", {}).get("read")
        if isinstance(timeout, (int, float)) and timeout < seconds:
            self._sandbox.clock.sleep(timeout)
            raise _error(Failure.TIMEOUT, request)
        self._sandbox.clock.sleep(seconds)


def client(sandbox: Sandbox) -> httpx2.Client:
    """A client for the `http_client` of the client, or of the SDK."""
    return httpx2.Client(transport=SandboxTransport(sandbox))


class _Stream(httpx2.SyncByteStream):
    """A body that is generated while it is read."""

    def __init__(self, body: Iterator[bytes], request: httpx2.Request) -> None:
        self._body = body
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except CutOffError:
            message = "peer closed connection without sending complete message body"
            raise httpx2.RemoteProtocolError(message, request=self._request) from None


def _translate(request: httpx2.Request) -> HttpRequest:
    stream = request.stream
    body = stream if isinstance(stream, httpx2.SyncByteStream) else b""
    return HttpRequest(
        method=request.method,
        path=request.url.path,
        query=dict(request.url.params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        scheme=request.url.scheme,
    )


def _headers(answer: HttpResponse) -> dict[str, str]:
    """The headers with a content-length, as a server sends them."""
    if isinstance(answer.body, bytes):
        return {"content-length": str(len(answer.body))} | dict(answer.headers)
    if "content-length" in answer.headers:
        return dict(answer.headers)
    return dict(answer.headers) | {"transfer-encoding": "chunked"}


def _error(failure: Failure, request: httpx2.Request) -> httpx2.TransportError:
    match failure:
        case Failure.CONNECT:
            return httpx2.ConnectError("[Errno 111] Connection refused", request=request)
        case Failure.DROP:
            message = "Server disconnected without sending a response."
            return httpx2.RemoteProtocolError(message, request=request)
        case Failure.TIMEOUT:
            return httpx2.ReadTimeout("The read operation timed out", request=request)
