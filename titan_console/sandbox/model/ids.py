"""Ids and random draws that are the same again for the same seed."""

from hashlib import blake2b

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SUFFIX_LENGTH = 22
DIGEST_SPAN = 1 << 64


def digest(*parts: object) -> int:
    """A 64-bit number that depends on every part."""
    hashed = blake2b(digest_size=8)
    for part in parts:
        hashed.update(part if isinstance(part, bytes) else str(part).encode())
        hashed.update(b"\0")
    return int.from_bytes(hashed.digest(), "big")


def draw(*parts: object) -> float:
    """A number in [0, 1) that depends on every part."""
    return digest(*parts) / DIGEST_SPAN


def make_id(prefix: str, *parts: object) -> str:
    """An id in Anthropic's style: prefix, `01`, 22 characters."""
    number = int.from_bytes(blake2b("\0".join(map(str, parts)).encode()).digest()[:18], "big")
    letters: list[str] = []
    for _ in range(SUFFIX_LENGTH):
        number, remainder = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[remainder])
    return f"{prefix}_01{''.join(letters)}"
