"""A read-only page of the batches for any ASGI server: HTML without scripts, and the same as JSON.

Mount it in an application of your own, behind its access control: it has none. With Starlette:
`Mount("/batches", batches_app(home))`; `/batches.json` under it is the JSON.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from core.clock import Clock, SystemClock
from core.config import titan_file
from core.config.settings import folder_of
from state.files.folder import Folder
from state.model.errors import LedgerError
from titan_console.web import batches_html
from titan_console.web.batches_report import read

_HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none';"
            b" base-uri 'none'; form-action 'none'"
        ),
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def batches_app(home: Path, clock: Clock | None = None) -> App:
    """The ASGI application for the ledger of that TITAN_HOME, which may be in PostgreSQL.

    Raises SettingsError for an address of the ledger that cannot be used.
    """
    current, folder = clock or SystemClock(), folder_of(home)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            status, kind, body = await _answer(scope, folder, current)
            await _send(send, status, kind, b"" if scope["method"] == "HEAD" else body)
        else:
            await send({"type": "websocket.close"})

    return app


async def _answer(scope: Scope, folder: Folder, clock: Clock) -> tuple[HTTPStatus, bytes, bytes]:
    path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
    if scope["method"] not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED, b"text/plain", b"This page is read-only.\n"
    if path not in ("", "/", "/batches.json"):
        return HTTPStatus.NOT_FOUND, b"text/plain", b"Not found.\n"
    try:
        found = await asyncio.to_thread(read, folder, clock)
    except (LedgerError, OSError) as error:
        said = f"The ledger cannot be read: {error}\n".encode("utf-8", "replace")
        return HTTPStatus.SERVICE_UNAVAILABLE, b"text/plain; charset=utf-8", said
    if path == "/batches.json":
        return HTTPStatus.OK, b"application/json", msgspec.json.encode(found)
    name = titan_file.read(folder).console.ledger_name
    # Relative to the page, whether or not its address ends in a slash.
    json_path = f"{scope.get('root_path', '')}/batches.json"
    page = batches_html.page(found, name, json_path)
    return HTTPStatus.OK, b"text/html; charset=utf-8", page.encode("utf-8", "replace")


async def _send(send: Send, status: HTTPStatus, kind: bytes, body: bytes) -> None:
    headers = [*_HEADERS, (b"content-type", kind)]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """Nothing to start or to stop."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
