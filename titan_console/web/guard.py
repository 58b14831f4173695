"""Access control: only a browser that opened the printed link is admitted."""

import hmac
import secrets
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost")
_BYTES = 24


class Guard:
    """One session, opened by a one-time token; each use creates the next token.

    The Host check blocks DNS rebinding; the Origin check blocks other sites that use the browser's
    cookie (cross-site WebSocket hijacking).
    """

    def __init__(self, port: int) -> None:
        """For a server on that loopback port."""
        self._port = port
        self._hosts = {f"{name}:{port}" for name in _LOOPBACK}
        # Cookies know no ports: another server on this machine must not get or replace ours.
        self.cookie = f"titan_console_{port}"
        self._token = secrets.token_urlsafe(_BYTES)
        self.session = secrets.token_urlsafe(_BYTES)

    def link(self) -> str:
        """The one-time link that opens the session."""
        return f"http://{_LOOPBACK[0]}:{self._port}/?token={self._token}"

    def redeem(self, *, host: str | None, token: str | None) -> bool:
        """Whether the token is valid; it is replaced when used."""
        if host not in self._hosts or token is None:
            return False
        if not _is_equal(token, self._token):
            return False
        self._token = secrets.token_urlsafe(_BYTES)
        return True

    def admits(self, *, host: str | None, origin: str | None, cookie: str | None) -> bool:
        """Whether a page or a file may be served."""
        if host not in self._hosts:
            return False
        if origin is not None and not self._is_ours(origin):
            return False
        return _is_equal(cookie or "", self.session)

    def admits_socket(self, *, host: str | None, origin: str | None, cookie: str | None) -> bool:
        """Whether the console itself may be opened; browsers always send an origin there."""
        return origin is not None and self.admits(host=host, origin=origin, cookie=cookie)

    def _is_ours(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme == "http" and parts.netloc in self._hosts


def _is_equal(given: str, secret: str) -> bool:
    """Compare in constant time; what is given may hold bytes that are no UTF-8."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
