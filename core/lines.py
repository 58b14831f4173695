"""Cuts a stream of bytes into lines at LF alone: other ends of lines may stand in JSON strings."""

from collections.abc import Iterable, Iterator

_BOM = b"\xef\xbb\xbf"


def split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its end; a last one without LF too. Linear in the length of a line."""
    pending: list[bytes] = []
    first = True
    for piece in pieces:
        head, *rest = piece.split(b"\n")
        pending.append(head)
        for following in rest:
            yield _cleaned(b"".join(pending), first=first)
            first = False
            pending = [following]
    last = b"".join(pending)
    if last:
        yield _cleaned(last, first=first)


def _cleaned(line: bytes, *, first: bool) -> bytes:
    """Without what proxies add: a CR at the end, a byte order mark at the very beginning."""
    return (line.removeprefix(_BOM) if first else line).rstrip(b"\r")
