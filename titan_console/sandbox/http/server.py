"""Serve a sandbox over HTTP on the loopback interface."""

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread
from typing import cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from titan_console.sandbox.http.asgi import application
from titan_console.sandbox.model.http_messages import Server

HOST = "127.0.0.1"
PORT = 8765


class Connections:
    """The open connections, so that a fault can cut one without an answer."""

    def __init__(self) -> None:
        """Start with none."""
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        address = _peer(transport)
        if address:
            self._open[address] = transport

    def closed(self, transport: asyncio.Transport | None) -> None:
        """Forget a connection."""
        if transport is not None:
            self._open.pop(_peer(transport) or ("", 0), None)

    def cut(self, address: tuple[str, int]) -> None:
        """Close a connection at once."""
        transport = self._open.get(address)
        if transport is not None:
            transport.abort()


def serve(
    sandbox: Server,
    *,
    host: str = HOST,
    port: int = PORT,
    ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve until interrupted; a port that is taken is an OSError.

    `ready` is called with the base URL once the server accepts connections.
    """
    with socket.create_server((host, port)) as listener:
        ready(f"http://{host}:{listener.getsockname()[1]}")
        _server(sandbox).run(sockets=[listener])


@contextmanager
def running(sandbox: Server, *, host: str = HOST, port: int = 0) -> Generator[str, None, None]:
    """Serve in a thread; yields the base URL and stops quickly at the end."""
    listener = socket.create_server((host, port))
    server = _server(sandbox)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _server(sandbox: Server) -> uvicorn.Server:
    connections = Connections()
    config = uvicorn.Config(
        application(sandbox, connections.cut),
        http=_protocol(connections),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _protocol(connections: Connections) -> type[asyncio.Protocol]:
    """The server's protocol, which registers its connections."""

    class Watched(H11Protocol):
        """HTTP/1.1 on a connection that can be cut by its address."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as its parent
            connections.opened(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    return Watched


def _peer(transport: asyncio.Transport) -> tuple[str, int] | None:
    name: object = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return None
    address = cast("tuple[str, int]", name)
    return (address[0], address[1])
