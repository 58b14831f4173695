"""Requests and responses as every transport passes them, and the envelopes of errors."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from core.clock import Clock


class Failure(StrEnum):
    """How a call can end without an answer."""

    CONNECT = "connect"  # the server was never reached
    DROP = "drop"  # the connection broke before a status line
    TIMEOUT = "timeout"  # no response before the client's timeout


class CutOffError(Exception):
    """The connection broke while a body was sent."""


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
        """The value of the header, or an empty string."""
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
    """One response, or the failure instead of it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | Iterator[bytes] = b""
    failure: Failure | None = None
    delay: float = 0.0

    def read(self) -> bytes:
        """The whole body; an iterator is used up by it."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class Server(Protocol):
    """What answers the calls: a sandbox, or a recording."""

    clock: Clock

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one call; safe to use from several threads."""
        ...


JSON = "application/json"

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    412: "precondition_failed",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# The API sends x-should-retry: false with these.
_FINAL = frozenset({400, 401, 402, 403, 404, 405, 412, 413})


class ErrorResponse(Exception):
    """A call that the API answers with an error envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str = "",
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        names_request: bool = True,
    ) -> None:
        """Keep the values of the envelope."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type or ERROR_TYPES.get(status, "api_error")
        self.details = details
        self.headers = dict(headers or {})
        self.names_request = names_request


def error_object(error_type: str, message: str, details: Mapping[str, str] | None) -> object:
    """The inner error, with details only where there are any."""
    inner: dict[str, object] = {"type": error_type, "message": message}
    if details:
        inner = {"details": details, **inner}
    return inner


def error_response(
    error: ErrorResponse, request_id: str, headers: Mapping[str, str]
) -> HttpResponse:
    """The error response to a call."""
    body: dict[str, object] = {
        "type": "error",
        "error": error_object(error.error_type, error.message, error.details),
    }
    if error.names_request:
        body["request_id"] = request_id
    final = {"x-should-retry": "false"} if error.status in _FINAL else {}
    return HttpResponse(
        status=error.status,
        headers={"content-type": JSON, **headers, **final, **error.headers},
        body=msgspec.json.encode(body),
    )


def json_response(value: object, headers: Mapping[str, str]) -> HttpResponse:
    """A successful answer in JSON."""
    return HttpResponse(headers={"content-type": JSON, **headers}, body=msgspec.json.encode(value))


def too_large_response() -> HttpResponse:
    """The edge's answer to an oversized body: the API itself never sees the call."""
    inner = {"type": "request_too_large", "message": "Request exceeds the maximum size"}
    return HttpResponse(
        status=413, headers={"content-type": JSON}, body=msgspec.json.encode({"error": inner})
    )


def common_headers(request_id: str) -> dict[str, str]:
    """The headers of every answer of the API."""
    return {
        "request-id": request_id,
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "vary": "Accept-Encoding",
        "server-timing": "x-originResponse;dur=7",
        "x-robots-tag": "none",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }
