"""Splits a stream of bytes into lines at LF only: JSON strings may contain other line ends."""

from collections.abc import Iterable, Iterator

_BOM = b"\xef\xbb\xbf"


def split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its LF, the last one too if it has none. Linear in the length of a line."""
    lines = _split(pieces)
    # Proxies add a CR at the end of a line, or a byte order mark at the beginning.
    for line in lines:
        yield line.removeprefix(_BOM).rstrip(b"\r")
        break
    for line in lines:
        yield line.rstrip(b"\r")


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
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
