"""An HTTP client whose calls end at a time limit, however slowly the server sends."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from threading import Timer
from typing import Any

import httpx2

_TRACED = ("connect_tcp.complete", "start_tls.complete")


class TimedClient:
    """A client, and the time limit of its call: when it is over, the connection is shut down.

    The timeouts of the HTTP library are for one read or write each, so a server that sends a byte
    now and then would never meet one.
    """

    def __init__(
        self,
        make: Callable[[Callable[[httpx2.Request], None]], httpx2.Client],
        *,
        is_hooked: bool = True,
    ) -> None:
        """`make` gets the hook that each request must pass; a client of tests is not hooked."""
        self._stream: Any = None
        self._timer: Timer | None = None
        self._limit_s: float | None = None
        self._is_late = False
        self._is_hooked = is_hooked
        #: Whether the call of now may have sent anything.
        self.was_sent = not is_hooked
        self.client = make(self._on_request)

    @contextmanager
    def limited(self, limit_s: float) -> Generator["TimedClient", None, None]:
        """Itself, for one call. Raises httpx2.ReadTimeout at the limit."""
        self._limit_s, self._is_late, self.was_sent = limit_s, False, not self._is_hooked
        try:
            yield self
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            if self._is_late:
                raise httpx2.ReadTimeout(f"not complete after {limit_s:.0f} s") from error
            raise
        finally:
            self._limit_s = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _on_request(self, request: httpx2.Request) -> None:
        self.was_sent = True
        request.extensions["trace"] = self._on_event
        if self._limit_s is not None and self._timer is None:
            self._timer = Timer(self._limit_s, self._shut_down)
            self._timer.daemon = True
            self._timer.start()

    def _on_event(self, name: str, info: dict[str, Any]) -> None:
        if name.endswith(_TRACED):
            self._stream = info.get("return_value")
            if self._is_late:
                self._shut_down()

    def _shut_down(self) -> None:
        self._is_late = True
        socket = self._stream and self._stream.get_extra_info("socket")
        if socket is not None:
            with suppress(OSError, ValueError):
                socket.shutdown(SHUT_RDWR)
