"""What becomes of a request's `cache_control` marks before it is sent."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, cast

import msgspec

from core.errors import PayloadError

_MARK = b'"cache_control"'
_SHORT = (None, "5m")
_HOUR = "1h"


class CachePolicy(StrEnum):
    """What a job does with prompt caching.

    No marks at all, those that live for an hour, or those of 5 minutes made into such.
    """

    NONE = "none"
    HOUR = "1h"
    UPGRADE = "upgrade"


def apply_policy(body: bytes, policy: CachePolicy, named: str) -> bytes:
    """The params as they are sent. Raises PayloadError for a mark that the policy does not take."""
    if _MARK not in body:
        return body
    # What goes out is looked at: in JSON a tuple or a record is like any list or object.
    params: object = msgspec.json.decode(body)
    upgraded = [_upgrade(mark, policy, named) for mark in _marks(params)]
    return msgspec.json.encode(params) if any(upgraded) else body


def _upgrade(mark: object, policy: CachePolicy, named: str) -> bool:
    """Whether the mark was changed into one of an hour."""
    if policy == CachePolicy.NONE:
        raise PayloadError(
            f'{named}: its job takes no cache_control, by cache = "none" in titan.toml;'
            ' leave it out, or let the job say cache = "1h".'
        )
    fields = cast("dict[str, Any]", mark) if isinstance(mark, dict) else None
    if fields is not None and fields.get("ttl") == _HOUR:
        return False
    if fields is None or policy != CachePolicy.UPGRADE or fields.get("ttl") not in _SHORT:
        raise PayloadError(
            f"{named}: a 5-minute cache_control does not outlive a batch;"
            ' use {"type": "ephemeral", "ttl": "1h"}, or none.'
        )
    fields["ttl"] = _HOUR
    return True


def _marks(value: object) -> Iterator[object]:
    """Every cache_control in the places where the API reads one, whatever lies around it."""
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
