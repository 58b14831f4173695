"""Undoes gzip on the way, strictly: what ends early is cut, and what comes behind an end counts.

An HTTP library takes what it unpacked so far for all of it, and results would be missing.
"""

import zlib
from collections.abc import Iterable, Iterator

from core.errors import NoResponse

# What may be asked for.
ACCEPTED = "gzip"
_GZIP = {"gzip", "x-gzip"}
_WITH_HEADER = 31


def unpacked(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The bytes of an answer with that `content-encoding`.

    Raises NoResponse at once for another one than gzip, and on the way for bytes that are none or
    end too early.
    """
    used = [word for part in encoding.split(",") if (word := part.strip().lower())]
    if not set(used) - {"identity"}:
        return iter(pieces)
    if len(used) == 1 and used[0] in _GZIP:
        return _gunzipped(pieces)
    raise NoResponse("The API's answer is compressed in a way that was not asked for.")


def _gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_WITH_HEADER)
    try:
        for piece in pieces:
            rest = piece
            # Behind an end there may be another member, or nothing but filling.
            while rest := rest.lstrip(b"\0") if member.eof else rest:
                if member.eof:
                    member = zlib.decompressobj(_WITH_HEADER)
                yield member.decompress(rest)
                rest = member.unused_data
    except zlib.error as error:
        raise NoResponse(f"The API's answer cannot be unpacked: {error}.") from error
    if not member.eof:
        raise NoResponse("The API's answer ends too early.")
