"""Maps an error response of the API to one of our errors."""

import json
import math
import re
from collections.abc import Mapping
from typing import cast

from core.errors import (
    ApiError,
    Blocked,
    NoResponse,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
)
from core.redaction import redact
from core.text import sanitize, sentence

_SPEND_CAP_CODE = "spend_limit_reached"
_SPEND_CAP_PHRASE = "api usage limits"
# The account or a gateway blocks the call: no other would succeed, and this one is not at fault.
_ACCOUNT_CODES = frozenset(
    {"claude_code_key_creator_not_member", "cmek_key_disabled", "organization_on_hold"}
)
_ACCOUNT_PHRASE = re.compile(
    r"credit balance is too low|budget has been exceeded|budget_exceeded"
    r"|(?:organi[sz]ation|workspace|account|access|api key) has been disabled"
)
_BLOCKED = (402, 403, 412)
# Without the API's own JSON these mean the same; any other such 4xx is the page of a proxy.
_CLEAR_ALONE = (401, 413, 429)
# A longer retry-after is reduced to this; another poll costs one call.
_LONGEST_RETRY_AFTER_S = 7 * 86_400.0


def to_api_error(status: int, body: object, headers: Mapping[str, str]) -> ApiError:
    """The error for a status, a body (parsed JSON, or text) and headers.

    Its text is without the key, which some servers and proxies echo.
    """
    error = _part(body, "error")
    error_type = _part(error, "type")
    kind = _kind(status, body, _part(_part(error, "details"), "error_code"))
    return kind(
        f"The API returned {status}: {sentence(_text(body, error))}",
        status=status,
        error_type=sanitize(redact(error_type))[:100] if isinstance(error_type, str) else None,
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
    if 300 <= status < 400:  # noqa: PLR2004 - a redirect took nothing in
        return Blocked
    if status in (408, 409) or status >= 500 or status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return NoResponse
    text = json.dumps(body, default=str).lower()
    if status in (400, 402, 429) and (_SPEND_CAP_CODE in text or _SPEND_CAP_PHRASE in text):
        return SpendCapReached
    if (
        status in _BLOCKED
        or (isinstance(code, str) and code in _ACCOUNT_CODES)
        or _is_foreign_page(status, body)
    ):
        return Blocked
    if status != 401 and _ACCOUNT_PHRASE.search(text):  # noqa: PLR2004 - the key comes first
        return Blocked
    return {401: Unauthorized, 404: NotFound, 429: RateLimited}.get(status, Rejected)


def _is_foreign_page(status: int, body: object) -> bool:
    """Whether a proxy answered in the API's place."""
    return status not in _CLEAR_ALONE and not isinstance(
        _part(_part(body, "error"), "message"), str
    )


def _text(body: object, error: object) -> str:
    """The API's own message, or the beginning of another body, without the key."""
    message = _part(error, "message")
    if isinstance(message, str) and message:
        return " ".join(sanitize(redact(message)).split())[:500]
    return " ".join(sanitize(redact(str(body or "empty body"))).split())[:200]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else None
