"""The sandbox as an ASGI application: the API, and under /sandbox its control surface."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.control import control_routes
from titan_console.sandbox.model.http_messages import (
    CutOffError,
    Failure,
    HttpRequest,
    HttpResponse,
    Server,
)
from titan_console.sandbox.rules.create import MAX_BODY

# Cuts the connection of a client, known by its address; the server knows how.
Disconnect = Callable[[tuple[str, int]], None]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Gateway:
    """One ASGI endpoint that passes every call to the state machine."""

    def __init__(self, sandbox: Server, disconnect: Disconnect) -> None:
        """Serve one sandbox."""
        self._sandbox = sandbox
        self._disconnect = disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or close the connection without a response."""
        request = Request(scope, receive)
        call = await _translate(request)
        answer = await run_in_threadpool(self._sandbox.handle, call)
        if answer.failure is Failure.TIMEOUT:
            await _until_client_leaves(request)
        if answer.failure:
            self._cut(request)
            return
        if answer.delay:
            await asyncio.sleep(answer.delay)
        try:
            await _response(answer)(scope, receive, send)
        except CutOffError:
            self._cut(request)

    def _cut(self, request: Request) -> None:
        if request.client:
            self._disconnect((request.client.host, request.client.port))


def application(sandbox: Server, disconnect: Disconnect) -> Starlette:
    """The whole application; a recording cannot be controlled."""
    gateway = Gateway(sandbox, disconnect)
    control = control_routes(sandbox) if isinstance(sandbox, Sandbox) else []
    return Starlette(
        routes=[
            Mount("/sandbox", routes=control),
            Route("/{path:path}", gateway, methods=_METHODS),
        ]
    )


async def _translate(request: Request) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers=_headers(request),
        body=await _body(request),
        scheme=request.url.scheme,
    )


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _body(request: Request) -> bytes:
    """The body; past the limit it is read to its end but no longer kept."""
    kept = bytearray()
    async for chunk in request.stream():
        if len(kept) <= MAX_BODY:
            kept += chunk
    return bytes(kept)


def _response(answer: HttpResponse) -> Response:
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers)
    return StreamingResponse(_pull(answer.body), answer.status, headers)


async def _pull(body: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Make the body in a thread, block by block."""
    while True:
        block = await run_in_threadpool(next, body, None)
        if block is None:
            return
        yield block


async def _until_client_leaves(request: Request) -> None:
    """Wait without responding until the client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
