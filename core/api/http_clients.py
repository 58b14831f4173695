"""HTTP clients for concurrent calls, one per call.

A client scans all its connections for each call, so fifty concurrent calls over one client need
half as much time again. Each call uses a client that no other call uses.
"""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from core.api.timed_client import TimedClient
from core.errors import SettingsError

if TYPE_CHECKING:
    from ssl import SSLContext

# Connecting is fast or fails; an upload of 256 MB takes long.
TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
# The SDK makes fifty concurrent calls over one client; each connection costs a handshake.
_CONNECTIONS = httpx2.Limits(max_connections=100, max_keepalive_connections=100)


class Clients:
    """A pool of clients; the last returned is used first, since its connection is still open."""

    def __init__(self, only: httpx2.Client | None = None) -> None:
        """`only` is used for every call, if given.

        Raises SettingsError where the environment has invalid proxy or TLS settings.
        """
        self._only = only
        self._tls: SSLContext | None = None
        self._made: deque[TimedClient] = deque()
        self._idle: deque[TimedClient] = deque()
        self._idle.append(self._new())

    @contextmanager
    def one(self, limit_s: float) -> Generator[TimedClient, None, None]:
        """Yield a client that no other thread uses, for one call with that time limit."""
        try:
            timed = self._idle.pop()
        except IndexError:
            timed = self._new()
        try:
            with timed.limited(limit_s):
                yield timed
        finally:
            self._idle.append(timed)

    def close(self) -> None:
        """Close all connections."""
        for timed in self._made:
            timed.client.close()

    def _new(self) -> TimedClient:
        timed = TimedClient(self._from_environment, is_hooked=self._only is None)
        self._made.append(timed)
        return timed

    def _from_environment(self, on_request: Callable[[httpx2.Request], None]) -> httpx2.Client:
        if self._only is not None:
            return self._only
        try:
            # Certificates take 40 ms to read; all clients share them.
            self._tls = self._tls or httpx2.create_ssl_context()
            # A redirect would send prompts to a host that is not configured.
            return httpx2.Client(
                follow_redirects=False,
                timeout=TIMEOUT,
                limits=_CONNECTIONS,
                verify=self._tls,
                event_hooks={"request": [on_request]},
            )
        except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
            raise SettingsError(
                "Invalid proxy or TLS settings in the environment (HTTPS_PROXY, HTTP_PROXY,"
                f" ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR): {error!s:.200}",
                code="invalid_proxy_settings",
            ) from error
