"""Serves the console to local browsers: textual-serve behind the guard."""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import cast

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from core.internal_errors import describe
from titan_console.web.guard import Guard
from titan_console.web.page import FOCUS, PAGE, POLICY

_SESSIONS = 4
_FONT_SIZE, _SMALLEST_FONT, _LARGEST_FONT = 15, 6, 40
# Resize events are debounced; the last one wins.
_RESIZE_GAP_S = 0.1
_MOST_COLUMNS, _MOST_LINES = 500, 200
_LONGEST_MESSAGE = 1 << 20
_ENVELOPE = msgspec.json.Decoder(type=list[object])

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleService(AppService):
    """One console for one browser window, started without a shell."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        socket: web.WebSocketResponse,
    ) -> None:
        """`arguments` start the console; `environment` is its whole environment."""
        super().__init__(
            " ".join(arguments),
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self._close_socket,
            download_manager=DownloadManager(),
        )
        self._arguments = arguments
        self._environment = environment
        self._socket = socket

    async def _close_socket(self) -> None:
        await self._socket.close()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        driver = self._build_environment(width, height)
        passed = {name: driver[name] for name in driver if name.startswith(("TEXTUAL_", "TERM_"))}
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**self._environment, **passed, "COLUMNS": str(width), "ROWS": str(height)},
        )
        self._stdin = self._process.stdin
        return self._process

    async def end(self) -> None:
        """Stop the console; kill it if it does not exit."""
        with suppress(Exception):
            async with asyncio.timeout(5):
                await self.stop()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


class ErrorLines(logging.Handler):
    """Prints an error of the server as one line.

    A request that is no HTTP is only answered: any user of this machine can send one.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` prints a line on the terminal."""
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Print the line."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            self._say(f"titan-console: {describe(error) if error else record.getMessage()}")


class ConsoleServer:
    """Serves the page, the terminal's script and a console to admitted browsers."""

    def __init__(
        self,
        guard: Guard,
        *,
        environment: Mapping[str, str],
        arguments: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        """`say` prints a line on the terminal; `arguments` are those of `titan-console`."""
        self._guard = guard
        self._environment = environment
        self._command = (sys.executable, "-P", "-m", "titan_console", *arguments)
        self._say = say
        self._open = 0

    def app(self) -> web.Application:
        """The aiohttp application."""
        log = logging.getLogger("aiohttp")
        log.handlers, log.propagate = [ErrorLines(self._say)], False
        made = web.Application(middlewares=[self._check])
        made.add_routes(
            [
                web.get("/", self._index),
                web.get("/focus.js", _focus),
                web.get("/ws", self._console),
            ]
        )
        static = files("textual_serve") / "static"
        made.router.add_static("/static", str(static), show_index=False)
        return made

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host, token = request.headers.get("Host"), request.query.get("token")
        if request.path == "/" and token is not None:
            if not self._guard.redeem(host=host, token=token):
                return _refusal()
            self._say("Opened. Link for another browser:")
            self._say(self._guard.link())
            response = web.HTTPFound("/")
            response.set_cookie(
                self._guard.cookie, self._guard.session, httponly=True, samesite="Strict"
            )
            return response
        decide = self._guard.admits_socket if request.path == "/ws" else self._guard.admits
        origin, cookie = request.headers.get("Origin"), request.cookies.get(self._guard.cookie)
        if not decide(host=host, origin=origin, cookie=cookie):
            return _refusal()
        response = await handler(request)
        if not response.prepared:
            _set_security_headers(response, request)
        return response

    async def _index(self, request: web.Request) -> web.Response:
        page = PAGE.replace("{socket}", f"ws://{request.host}")
        page = page.replace("{font_size}", str(_font_size(request.query.get("fontsize"))))
        return web.Response(text=page, content_type="text/html")

    async def _console(self, request: web.Request) -> web.StreamResponse:
        if self._open >= _SESSIONS:
            return web.Response(
                status=503, text=f"Too many consoles: {_SESSIONS} are already open.\n"
            )
        self._open += 1
        socket = web.WebSocketResponse(heartbeat=15, max_msg_size=_LONGEST_MESSAGE)
        service = ConsoleService(self._command, self._environment, socket)
        try:
            await socket.prepare(request)
            await service.start(
                _size(request.query.get("width"), 80, _MOST_COLUMNS),
                _size(request.query.get("height"), 24, _MOST_LINES),
            )
            await _relay(socket, service)
        finally:
            self._open -= 1
            await service.end()
        return socket


async def _focus(_request: web.Request) -> web.Response:
    return web.Response(text=FOCUS, content_type="text/javascript")


async def _relay(socket: web.WebSocketResponse, service: ConsoleService) -> None:
    """Forward keys and sizes from the browser until it disconnects; ignore invalid messages."""
    resizing: asyncio.Task[None] | None = None
    async for message in socket:
        try:
            kind, *values = _ENVELOPE.decode(message.data)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            continue
        value = values[0] if values else None
        if kind == "resize" and isinstance(value, dict):
            if resizing is not None:
                resizing.cancel()
            size = cast("dict[str, object]", value)
            resizing = asyncio.create_task(_resize(service, size))
        elif kind == "ping":
            await socket.send_json(["pong", value])
        else:
            await _forward(service, kind, value)


async def _forward(service: ConsoleService, kind: object, value: object) -> None:
    if kind == "stdin" and isinstance(value, str):
        await service.send_bytes(value.encode())
    elif kind == "blur":
        await service.blur()
    elif kind == "focus":
        await service.focus()


async def _resize(service: ConsoleService, size: dict[str, object]) -> None:
    await asyncio.sleep(_RESIZE_GAP_S)
    await service.set_terminal_size(
        _size(size.get("width"), 80, _MOST_COLUMNS), _size(size.get("height"), 24, _MOST_LINES)
    )


def _size(value: object, usual: int, most: int) -> int:
    try:
        return max(1, min(int(str(value)), most))
    except ValueError:
        return usual


def _font_size(value: str | None) -> int:
    return max(_SMALLEST_FONT, _size(value, _FONT_SIZE, _LARGEST_FONT))


def _refusal() -> web.Response:
    return web.Response(
        status=403, text="Access denied. Open the link that `titan-console serve` printed.\n"
    )


def _set_security_headers(response: web.StreamResponse, request: web.Request) -> None:
    response.headers["Content-Security-Policy"] = POLICY.format(socket=f"ws://{request.host}")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
