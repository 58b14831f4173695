"""Damage to a results file, line by line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from titan_console.sandbox.model.http_messages import CutOffError

Lines = Iterable[bytes]


def corrupt_lines(what: str, lines: Lines, count: int, hits: frozenset[int]) -> Iterator[bytes]:
    """The corrupted lines; `hits` are the indexes of the affected lines."""
    if what in _ENDINGS:
        return _ENDINGS[what](lines, count // 2)
    change = _CHANGES[what]
    return (
        part for at, line in enumerate(lines) for part in (change(line) if at in hits else (line,))
    )


def choose_lines(count: int, hits: int, rng: Random) -> frozenset[int]:
    """The indexes of the affected lines."""
    return frozenset(rng.sample(range(count), min(hits, count)))


def with_foreign_lines(lines: Lines, foreign: Lines, hits: frozenset[int]) -> Iterator[bytes]:
    """Replace some lines with lines of another batch."""
    supply = iter(foreign)
    for at, line in enumerate(lines):
        other = next(supply, b"") if at in hits else b""
        yield other or line


def _cut_line(lines: Lines, keep: int) -> Iterator[bytes]:
    for at, line in enumerate(lines):
        if at >= keep:
            return
        yield line


def _cut(lines: Lines, keep: int) -> Iterator[bytes]:
    for at, line in enumerate(lines):
        if at >= keep:
            yield line[: len(line) // 2]
            return
        yield line


def _broken(lines: Lines, keep: int) -> Iterator[bytes]:
    yield from _cut(lines, keep)
    raise CutOffError


def _different(line: bytes) -> tuple[bytes, ...]:
    """The same id again, with another answer."""
    marker = b'"output_tokens":'
    changed = line.replace(marker, marker + b"1")
    return (line, changed if changed != line else line.replace(b'"type":"', b'"type":"x', 1))


def _unknown(line: bytes) -> tuple[bytes, ...]:
    return (line.replace(b'"custom_id":"', b'"custom_id":"unknown-', 1),)


_ENDINGS: Mapping[str, Callable[[Lines, int], Iterator[bytes]]] = {
    "cut-line": _cut_line,
    "cut": _cut,
    "short": _broken,
    "broken": _broken,
}
_CHANGES: Mapping[str, Callable[[bytes], tuple[bytes, ...]]] = {
    # Invalid JSON, whether the cut is inside a string or outside.
    "garbled": lambda line: (line[: len(line) // 3] + b'\x00"\x00\xff{' + line[len(line) // 2 :],),
    "html-line": lambda line: (b"<html><body>502 Bad Gateway</body></html>\n", line),
    "blank": lambda line: (b"\n", line),
    "duplicate": lambda line: (line, line),
    "duplicate-different": _different,
    "missing": lambda _line: (),
    "unknown-id": _unknown,
}
