"""Maps an error response of the API to one of our errors."""

import json
import math
from collections.abc import Callable, Mapping
from typing import cast

from core.errors import (
    ApiError,
    NoResponse,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
)
from core.text import sanitize

_SPEND_CAP_CODE = "spend_limit_reached"
_SPEND_CAP_PHRASE = "api usage limits"
# A 400 about the account: every batch would be rejected, and this one is not invalid.
_ACCOUNT_CODES = frozenset(
    {"claude_code_key_creator_not_member", "cmek_key_disabled", "organization_on_hold"}
)
# A longer retry-after is reduced to this; another poll costs one call.
_LONGEST_RETRY_AFTER_S = 7 * 86_400.0


def to_api_error(
    status: int, body: object, headers: Mapping[str, str], *, hide: Callable[[str], str]
) -> ApiError:
    """The error for a status, a body (parsed JSON, or text) and headers.

    `hide` removes the key from a text, which some servers and proxies echo.
    """
    error = _part(body, "error")
    error_type = _part(error, "type")
    kind = _kind(status, body, _part(_part(error, "details"), "error_code"))
    return kind(
        f"The API returned {status}: {_text(body, error, hide)}",
        status=status,
        error_type=sanitize(hide(error_type))[:100] if isinstance(error_type, str) else None,
        retry_after_s=_retry_after(headers),
    )


def body_of(content: bytes) -> object:
    """The body as `to_api_error` takes it: parsed JSON, or text."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def _part(value: object, name: str) -> object:
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


def _kind(status: int, body: object, code: object) -> type[ApiError]:
    if status in (400, 402, 429) and _is_spend_cap(status, body):
        return SpendCapReached
    if isinstance(code, str) and code in _ACCOUNT_CODES:
        return Unauthorized
    if status in (408, 409) or status >= 500 or status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return NoResponse
    return {401: Unauthorized, 403: Unauthorized, 404: NotFound, 429: RateLimited}.get(
        status, Rejected
    )


def _is_spend_cap(status: int, body: object) -> bool:
    text = json.dumps(body, default=str).lower()
    return status == 402 or _SPEND_CAP_CODE in text or _SPEND_CAP_PHRASE in text  # noqa: PLR2004


def _text(body: object, error: object, hide: Callable[[str], str]) -> str:
    """The API's own message, or the beginning of another body, without the key."""
    message = _part(error, "message")
    if isinstance(message, str) and message:
        return " ".join(sanitize(hide(message)).split())[:500]
    return " ".join(sanitize(hide(str(body or "empty body"))).split())[:200]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else None
