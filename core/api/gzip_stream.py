"""Decompresses gzip as a stream, and detects a truncated one, which HTTP libraries do not."""

import zlib
from collections.abc import Iterable, Iterator

from core.errors import NoResponse

# The accept-encoding header.
ACCEPTED = "gzip"
_GZIP = {"gzip", "x-gzip"}
_WITH_HEADER = 31
# A few bytes may stand for gigabytes: never so many are in memory at once.
_PIECE = 1 << 20


def decompress(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The decompressed bytes of a response with that `content-encoding`.

    Raises NoResponse at once for another encoding than gzip, and while iterating for malformed or
    truncated data.
    """
    used = [word for part in encoding.split(",") if (word := part.strip().lower())]
    if not set(used) - {"identity"}:
        return iter(pieces)
    if len(used) == 1 and used[0] in _GZIP:
        return _gunzip(pieces)
    raise NoResponse(f"The API's response has an unexpected content-encoding: {encoding!r:.40}.")


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_WITH_HEADER)
    try:
        for piece in pieces:
            rest = piece
            # After a member there may be another one, or padding.
            while rest := rest.lstrip(b"\0") if member.eof else rest:
                if member.eof:
                    member = zlib.decompressobj(_WITH_HEADER)
                made = member.decompress(rest, _PIECE)
                yield made
                while len(made) == _PIECE and not member.eof:
                    made = member.decompress(member.unconsumed_tail, _PIECE)
                    yield made
                rest = member.unused_data
    except zlib.error as error:
        raise NoResponse(f"The API's response cannot be decompressed: {error}.") from error
    if not member.eof:
        raise NoResponse("The API's response is truncated.")
