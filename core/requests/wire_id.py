"""The custom_id as sent to the API: the caller's, followed by the batch's nonce.

The nonce in the results identifies the batch; the API offers nothing else to do so.
"""

import hashlib
from collections.abc import Iterable

LIMIT = 64
# 64 bits; with 32, a batch of 100,000 ids with the same prefix would likely have a collision.
_DIGEST_LENGTH = 16


def max_unshortened_length(nonce: str) -> int:
    """The length up to which a custom_id is sent whole."""
    return LIMIT - len(nonce) - 1


def to_wire(custom_id: str, nonce: str) -> str:
    """The caller's id and the nonce; a longer id is shortened and gets a hash.

    >>> to_wire("feed-classify-2026-05-02-007", "k3x9q2ab")
    'feed-classify-2026-05-02-007-k3x9q2ab'
    """
    if len(custom_id) <= max_unshortened_length(nonce):
        return f"{custom_id}-{nonce}"
    digest = hashlib.sha256(custom_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{custom_id[: max_unshortened_length(nonce) - _DIGEST_LENGTH - 1]}-{digest}-{nonce}"


class FromWire:
    """Maps the wire ids of one batch back to the caller's custom_ids."""

    def __init__(self, nonce: str, long_ids: Iterable[str]) -> None:
        """`long_ids` are the batch's custom_ids that `to_wire` shortens."""
        self._suffix = f"-{nonce}"
        self._shortened = {to_wire(custom_id, nonce): custom_id for custom_id in long_ids}

    def __call__(self, wire_id: str) -> str | None:
        """The caller's custom_id, None for an id without the nonce."""
        if not wire_id.endswith(self._suffix):
            return None
        plain = wire_id[: -len(self._suffix)]
        return self._shortened.get(wire_id, plain) if self._shortened else plain
