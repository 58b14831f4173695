"""Cuts a stream of bytes into lines at LF alone: other ends of lines may stand in JSON strings."""

from collections.abc import Iterable, Iterator

_BOM = b"\xef\xbb\xbf"


def split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its end; a last one without LF too. Linear in the length of a line."""
    ended = _ended(pieces)
    # What proxies add goes: a CR at the end, a byte order mark at the very beginning.
    for line in ended:
        yield line.removeprefix(_BOM).rstrip(b"\r")
        break
    for line in ended:
        yield line.rstrip(b"\r")


def _ended(pieces: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for piece in pieces:
        lines = piece.split(b"\n")
        pending.append(lines[0])
        if len(lines) > 1:
            lines[0] = b"".join(pending)
            pending = [lines.pop()]
            yield from lines
    last = b"".join(pending)
    if last:
        yield last
