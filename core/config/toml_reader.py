"""Reads TOML tables strictly, and says of each mistake where it stands and what is wrong."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, cast

from msgspec import Struct, field

FILE = "titan.toml"
# What a document holds is anything until it was looked at; tomlkit's own items are untyped.
_Value = Any
_Body = Any
_Place = tuple[tuple[str, ...], int]
_LINE = "(at line "


class Mistake(Struct, frozen=True):
    """One thing that is wrong: the keys that lead to it, the line, the words."""

    path: tuple[str, ...]
    what: str
    line: int = 0

    def __str__(self) -> str:
        """As a person reads it: `titan.toml line 7: jobs.x.tier: must be ...`."""
        where = f" line {self.line}" if self.line else ""
        named = f" {dotted(self.path)}:" if self.path else ""
        return f"{FILE}{where}:{named} {self.what}"


def dotted(path: tuple[str, ...]) -> str:
    """The keys as TOML writes them."""
    plain = "-_"
    return ".".join(
        key if key and all(c.isalnum() or c in plain for c in key) else f'"{key}"' for key in path
    )


def load(text: str) -> tuple[dict[str, Any], list[Mistake]]:
    """The document, or the one mistake that keeps it from being one."""
    try:
        return tomllib.loads(text, parse_float=Decimal), []
    except (tomllib.TOMLDecodeError, RecursionError, InvalidOperation) as error:
        said = str(error)
        at = said.partition(_LINE)[2].partition(",")[0]
        line = int(at) if at.isdecimal() else text.count("\n") + 1
        return {}, [Mistake((), f"this is not TOML: {said.partition(' (at ')[0]}.", line)]


def with_lines(mistakes: list[Mistake], text: str) -> tuple[Mistake, ...]:
    """The mistakes with the lines of the keys that they are about, in the order of the file."""
    if not mistakes:
        return ()
    lines = dict[tuple[str, ...], int]()
    if any(not mistake.line for mistake in mistakes):
        for path, line in _lines(text):
            lines.setdefault(path, line)
    found = (Mistake(m.path, m.what, m.line or _line_of(m.path, lines)) for m in mistakes)
    return tuple(sorted(found, key=lambda mistake: mistake.line))


def _line_of(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """Of the key itself; where it is absent, of the table that lacks it."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)


def _lines(text: str) -> Iterator[_Place]:
    import tomlkit  # noqa: PLC0415 - only a mistake or an edit needs it

    body = tomlkit.parse(text).body
    walk = _Walk()
    yield from walk.container(body, ())


class _Walk:
    """Counts lines along tomlkit's items, which render to the very text they came from."""

    def __init__(self) -> None:
        self.line = 1

    def container(self, body: _Body, path: tuple[str, ...]) -> Iterator[_Place]:
        from tomlkit.items import AoT, Table  # noqa: PLC0415 - as above

        for key, item in body:
            inner = (*path, key.key) if key is not None else path
            if isinstance(item, Table):
                yield from self._table(item, inner)
            elif isinstance(item, AoT):
                for table in item.body:
                    yield from self._table(table, inner)
            else:
                if key is not None:
                    yield inner, self.line
                rendered = item.as_string() + (item.trivia.trail if key is not None else "")
                self.line += rendered.count("\n")

    def _table(self, table: _Body, path: tuple[str, ...]) -> Iterator[_Place]:
        yield path, self.line
        # A super table is only the common part of the names of others.
        self.line += not table.is_super_table()
        yield from self.container(table.value.body, path)


class Section(Struct):
    """One table being read: each key once, and what is left over at the end is a mistake."""

    values: Mapping[str, Any]
    path: tuple[str, ...]
    mistakes: list[Mistake]
    _asked: list[str] = field(default_factory=list[str])

    def wrong(self, key: str, what: str) -> None:
        """Note that the key's value will not do."""
        self.mistakes.append(Mistake((*self.path, key), what))

    def _get(self, key: str) -> _Value:
        self._asked.append(key)
        return self.values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A string with something in it."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, f"must be a text, not {_shown(value)}.")
            return default
        return value

    def choice(self, key: str, among: tuple[str, ...], default: str) -> str:
        """One of the words."""
        value = self._get(key)
        if value is None:
            return default
        if value not in among:
            self.wrong(key, f"must be one of {', '.join(among)}, not {_shown(value)}.")
            return default
        return str(value)

    def whole(self, key: str, *, least: int = 0, most: int = 10**15) -> int | None:
        """A whole number, None where there is none."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(key, f"must be a whole number from {least:,} on, not {_shown(value)}.")
            return None
        return value

    def number(self, key: str) -> Decimal | None:
        """A number from 0 on, None where there is none."""
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.wrong(key, f"must be a number, not {_shown(value)}.")
            return None
        number = Decimal(value)
        if not math.isfinite(number) or not 0 <= number <= 10**12:
            self.wrong(key, f"must be a number from 0 on, not {_shown(value)}.")
            return None
        return number

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"must be true or false, not {_shown(value)}.")
            return default
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value: Any = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(
            isinstance(one, str) and one.strip()
            for one in value  # pyright: ignore[reportUnknownVariableType]
        ):
            self.wrong(key, f"must be a list of texts, not {_shown(value)}.")  # pyright: ignore[reportUnknownArgumentType]
            return ()
        return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    def table(self, key: str) -> "Section":
        """The table under the key; an empty one where there is none."""
        value = self._get(key)
        if isinstance(value, dict):
            return Section(cast("dict[str, Any]", value), (*self.path, key), self.mistakes)
        if value is not None:
            self.wrong(key, f"must be a table, not {_shown(value)}.")
        return Section({}, (*self.path, key), self.mistakes)

    def rows(self, key: str) -> "list[Section]":
        """The tables of an array `[[key]]`, or the one table `[key]`."""
        value = self._get(key)
        found: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not all(isinstance(row, dict) for row in found):
            self.wrong(key, f"must be tables, as [[{dotted((*self.path, key))}]].")
            return []
        return [Section(row, (*self.path, key), self.mistakes) for row in found]

    def day(self, key: str) -> date | None:
        """A date, as 2026-11-22; None where there is none."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            self.wrong(key, f"must be a date, as 2026-11-22, not {_shown(value)}.")
            return None
        return value

    def tables(self) -> "Iterator[tuple[str, Section]]":
        """Every key of this table with the table that it must be."""
        for key in self.values:
            yield key, self.table(key)

    def finish(self) -> None:
        """Whatever nobody asked for is a mistake, most likely a slip of the keyboard."""
        for key in self.values:
            if key not in self._asked:
                near = get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(self._asked)}."
                self.wrong(key, f"there is no such key; {hint}")


def _shown(value: object) -> str:
    return f"{value!r:.60}" if not isinstance(value, Decimal) else str(value)
