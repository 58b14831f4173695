"""Splits a stream of bytes into lines at LF only: JSON strings may contain other line ends."""

from collections.abc import Iterable, Iterator

_BOM = b"\xef\xbb\xbf"
# Several times the longest answer of a model.
LONGEST_LINE = 32 << 20
# What is kept of a longer one.
_HEAD = 4096


class LongLine(bytes):
    """The beginning of a line that is too long to be a result; the rest was not kept."""


def split_lines(pieces: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Each line without its LF, the last one too if it has none. Linear in the length of a line.

    A line of more than `longest` bytes is a LongLine.
    """
    lines = _split(pieces, longest)
    # Proxies add a CR at the end of a line, or a byte order mark at the beginning.
    for line in lines:
        yield line if isinstance(line, LongLine) else line.removeprefix(_BOM).rstrip(b"\r")
        break
    for line in lines:
        yield line if isinstance(line, LongLine) else line.rstrip(b"\r")


def _split(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    pending = _Pending(longest)
    for piece in pieces:
        lines = piece.split(b"\n")
        pending.add(lines[0])
        if len(lines) > 1:
            yield pending.take()
            pending.add(lines.pop())
            yield from lines[1:]
    last = pending.take()
    if last:
        yield last


class _Pending:
    """The parts of a line whose end has not come yet."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Keep the part, or only the beginning of a line that is too long."""
        was_long = self._size > self._longest
        self._size += len(part)
        if was_long:
            return
        self._parts.append(part)
        if self._size > self._longest:
            self._parts = [b"".join(self._parts)[:_HEAD]]

    def take(self) -> bytes:
        """The line; the next one begins."""
        line = b"".join(self._parts)
        is_long = self._size > self._longest
        self._parts, self._size = [], 0
        return LongLine(line[:_HEAD]) if is_long else line
