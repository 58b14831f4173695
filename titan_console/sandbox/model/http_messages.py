"""The neutral request and response that every transport speaks to the sandbox."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Failure(StrEnum):
    """How a call can end without an answer."""

    CONNECT = "connect"  # the server was never reached
    DROP = "drop"  # the connection broke before a status line
    TIMEOUT = "timeout"  # nothing more was heard


class CutOffError(Exception):
    """The connection broke in the middle of a body."""


class BodyTooLargeError(Exception):
    """The body passed the limit while it was being read."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """One call as it arrived; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | Iterable[bytes] = b""
    scheme: str = "https"

    def header(self, name: str) -> str:
        """The header's value, or nothing."""
        return self.headers.get(name, "")

    def read(self, limit: int) -> bytes:
        """The whole body, refused as soon as it is over the limit."""
        if isinstance(self.body, bytes):
            if len(self.body) > limit:
                raise BodyTooLargeError
            return self.body
        whole = bytearray()
        for chunk in self.body:
            whole += chunk
            if len(whole) > limit:
                raise BodyTooLargeError
        return bytes(whole)


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """One answer, or the failure that stands in its place."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | Iterator[bytes] = b""
    failure: Failure | None = None
    delay: float = 0.0

    def read(self) -> bytes:
        """The whole body; an iterator is used up by it."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)
