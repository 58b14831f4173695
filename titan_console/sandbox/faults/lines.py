"""Damage to a results file, line by line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from titan_console.sandbox.model.http_messages import CutOffError

Lines = Iterable[bytes]


def damage(what: str, lines: Lines, count: int, hits: frozenset[int]) -> Iterator[bytes]:
    """The lines with what the fault makes of them; hits are the line numbers it strikes."""
    if what in _ENDINGS:
        return _ENDINGS[what](lines, count // 2)
    change = _CHANGES[what]
    return (
        part for at, line in enumerate(lines) for part in (change(line) if at in hits else (line,))
    )


def choose(count: int, hits: int, rng: Random) -> frozenset[int]:
    """Which lines are struck."""
    return frozenset(rng.sample(range(count), min(hits, count)))


def mixed(lines: Lines, foreign: Lines, hits: frozenset[int]) -> Iterator[bytes]:
    """Lines of another batch in the place of own ones."""
    supply = iter(foreign)
    for at, line in enumerate(lines):
        stranger = next(supply, b"") if at in hits else b""
        yield stranger or line


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
    "garbled": lambda line: (line[: len(line) // 3] + b"\x00\xff{" + line[len(line) // 2 :],),
    "html-line": lambda line: (b"<html><body>502 Bad Gateway</body></html>\n", line),
    "blank": lambda line: (b"\n", line),
    "duplicate": lambda line: (line, line),
    "duplicate-different": _different,
    "missing": lambda _line: (),
    "unknown-id": _unknown,
}
