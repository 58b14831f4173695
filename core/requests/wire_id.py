"""The custom_id that goes over the wire: the caller's, with the batch's nonce behind it.

The nonce proves, in the results, whose batch it is; nothing else at the API can.
"""

import hashlib
from collections.abc import Iterable

LIMIT = 64
# 64 bits: with half of them, one batch of 100,000 ids with the same beginning has two alike.
_DIGEST_LENGTH = 16


def max_unshortened_length(nonce: str) -> int:
    """The length up to which a custom_id goes over the wire whole."""
    return LIMIT - len(nonce) - 1


def to_wire(custom_id: str, nonce: str) -> str:
    """The caller's id and the nonce; where that is too long, a part of the id and its hash.

    >>> to_wire("feed-classify-2026-05-02-007", "k3x9q2ab")
    'feed-classify-2026-05-02-007-k3x9q2ab'
    """
    if len(custom_id) <= max_unshortened_length(nonce):
        return f"{custom_id}-{nonce}"
    digest = hashlib.sha256(custom_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{custom_id[: max_unshortened_length(nonce) - _DIGEST_LENGTH - 1]}-{digest}-{nonce}"


class FromWire:
    """Turns the wire ids of one batch back into the caller's."""

    def __init__(self, nonce: str, long_ids: Iterable[str]) -> None:
        """`long_ids` are the batch's ids that `to_wire` had to shorten."""
        self._suffix = f"-{nonce}"
        self._shortened = {to_wire(custom_id, nonce): custom_id for custom_id in long_ids}

    def __call__(self, wire_id: str) -> str | None:
        """The caller's custom_id, or None for an id that does not carry the nonce."""
        if not wire_id.endswith(self._suffix):
            return None
        plain = wire_id[: -len(self._suffix)]
        return self._shortened.get(wire_id, plain) if self._shortened else plain
