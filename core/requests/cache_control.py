"""Applies a job's cache policy to the `cache_control` entries of a request."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, cast

import msgspec

from core.errors import PayloadError

_KEY = b'"cache_control"'
_SHORT = (None, "5m")
_HOUR = "1h"


class CachePolicy(StrEnum):
    """What becomes of caching in requests.

    Reject cache_control; accept 1-hour caching; also change 5-minute caching to 1 hour; or accept
    1-hour caching, and mark a long common prefix that one request writes before the others.
    """

    NONE = "none"
    HOUR = "1h"
    UPGRADE = "upgrade"
    PRIME = "prime"


def apply_policy(body: bytes, policy: CachePolicy, named: str) -> bytes:
    """The params to send, as JSON. Raises PayloadError for caching that the policy rejects."""
    if _KEY not in body:
        return body
    # Decoded from what is sent, since there a tuple or a record is a plain list or object.
    params: object = msgspec.json.decode(body)
    upgraded = [_upgrade(entry, policy, named) for entry in _entries(params)]
    return msgspec.json.encode(params) if any(upgraded) else body


def _upgrade(entry: object, policy: CachePolicy, named: str) -> bool:
    """Whether the entry was changed to 1 hour."""
    if policy == CachePolicy.NONE:
        raise PayloadError(
            f'{named}: its job has cache = "none" in titan.toml: remove cache_control,'
            ' or set cache = "1h".',
            code="cache_not_allowed",
        )
    fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else None
    if fields is not None and fields.get("ttl") == _HOUR:
        return False
    if fields is None or policy != CachePolicy.UPGRADE or fields.get("ttl") not in _SHORT:
        raise PayloadError(
            f"{named}: a 5-minute cache_control expires before a batch ends;"
            ' use {"type": "ephemeral", "ttl": "1h"} or remove it.',
            code="cache_ttl_too_short",
        )
    fields["ttl"] = _HOUR
    return True


def _entries(value: object) -> Iterator[object]:
    """Every cache_control where the API reads one; not those in tool inputs and schemas."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, Mapping):
            for key, inner in current.items():  # pyright: ignore[reportUnknownVariableType]
                if key == "cache_control" and inner is not None:
                    yield inner  # pyright: ignore[reportUnknownVariableType]
                elif key not in ("input", "input_schema"):
                    pending.append(inner)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(current, list):
            pending.extend(current)  # pyright: ignore[reportUnknownArgumentType]
