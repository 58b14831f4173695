"""HTTP clients for calls that are made at once, each on a thread of its own.

A client looks at all its connections for each call: fifty calls at once over one client cost half
as much again. So each takes a client that no other has just then.
"""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from core.errors import SettingsError

if TYPE_CHECKING:
    from ssl import SSLContext

# Connecting is quick or not at all; an upload of 256 MB and its answer take their time.
TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
# The SDK asks over one client, fifty at once, and each connection costs a handshake.
_CONNECTIONS = httpx2.Limits(max_connections=100, max_keepalive_connections=100)


class Clients:
    """Lends clients, the one that was given back last first: its connection is open."""

    def __init__(self, only: httpx2.Client | None = None) -> None:
        """`only` serves every call, however many there are at once.

        Raises SettingsError where the environment names a proxy or certificates of no use.
        """
        self._only = only
        self._tls: SSLContext | None = None
        self._made: deque[httpx2.Client] = deque()
        self._idle: deque[httpx2.Client] = deque()
        self.first = self._new()
        self._idle.append(self.first)

    @contextmanager
    def one(self) -> Generator[httpx2.Client, None, None]:
        """A client that no other thread has, while inside."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._new()
        try:
            yield client
        finally:
            self._idle.append(client)

    def close(self) -> None:
        """Let go of all connections."""
        for client in self._made:
            client.close()

    def _new(self) -> httpx2.Client:
        client = self._only or self._from_environment()
        self._made.append(client)
        return client

    def _from_environment(self) -> httpx2.Client:
        try:
            # Certificates take 40 ms to read, and hold for all.
            self._tls = self._tls or httpx2.create_ssl_context()
            # A redirect would carry prompts to a host that nobody configured.
            return httpx2.Client(
                follow_redirects=False, timeout=TIMEOUT, limits=_CONNECTIONS, verify=self._tls
            )
        except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
            raise SettingsError(
                "The way to the API that the environment asks for is of no use (HTTPS_PROXY,"
                f" HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR): {error!s:.200}"
            ) from error
