"""Reads titan.toml into typed records and reports every problem with its line, key and code."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, TypeGuard, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import FieldInfo

from core.redaction import redact

FILE = "titan.toml"
_Path = tuple[str, ...]
_LINE = "(at line "


class Problem(Struct, frozen=True):
    """One mistake: the path of keys, the message, a stable code, the line."""

    path: _Path
    message: str
    code: str = "invalid_value"
    line: int = 0

    def __str__(self) -> str:
        """One line: `titan.toml line 7: jobs.x.tier: must be ...`."""
        where = f" line {self.line}" if self.line else ""
        named = f" {dotted(self.path)}:" if self.path else ""
        return f"{FILE}{where}:{named} {self.message}"


class Record(Struct, frozen=True, kw_only=True):
    """A table of the file; each field is a key, converted by its type.

    A key that is absent or wrong has the field's default, so that the rest of the file holds.
    """

    @staticmethod
    def old_names() -> Mapping[str, str]:
        """Old spellings that are accepted for one release, each with the new one."""
        return {}

    def check(self, keys: set[str]) -> Iterable[tuple[str, str, str]]:
        """Conflicts between keys: the key, a code, a message. `keys` are those present."""
        del keys
        return ()


class Dollars(Decimal):
    """An amount from 0 on, exact as written."""


class TokenPrice(Dollars):
    """Dollars for a million tokens, with at most six decimal places."""


Text = Annotated[str, Meta(pattern=r"\S", description="a string that is not empty")]
TextList = Annotated[tuple[Text, ...], Meta(description="a list of strings that are not empty")]
# No system call takes a NUL.
CommandLine = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^[^\x00]*[^\s\x00][^\x00]*\Z")], ...],
    Meta(description="a list of strings that are not empty and have no NUL"),
]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Amount = Annotated[Dollars, Meta(description="a number from 0 to 1,000,000,000,000")]
Price = Annotated[
    TokenPrice,
    Meta(description="a number from 0 to 1,000,000,000,000 with at most six decimal places"),
]
_MOST_DOLLARS = 10**12
_R = TypeVar("_R", bound=Record)


def dotted(path: _Path) -> str:
    """The keys as TOML writes them."""
    plain = "-_"
    return ".".join(
        key if key and all(c.isalnum() or c in plain for c in key) else f'"{key}"' for key in path
    )


def load(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """The document; for text that is not TOML, an empty one and the problem."""
    try:
        return tomllib.loads(text, parse_float=Decimal), []
    except (tomllib.TOMLDecodeError, RecursionError, InvalidOperation) as error:
        said = str(error)
        at = said.partition(_LINE)[2].partition(",")[0]
        line = int(at) if at.isdecimal() else text.count("\n") + 1
        reason = said.partition(" (at ")[0]
        return {}, [Problem((), f"this is not TOML: {reason}.", "invalid_toml", line)]


def read(record: type[_R], table: Mapping[str, Any], problems: list[Problem]) -> _R:
    """The document, or one of its tables, as that record; mistakes go to `problems`."""
    return _Reader(problems).record(record, table, ())


class _Reader:
    """Converts key by key, since one conversion of the whole would stop at the first problem."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def record(self, record: type[_R], table: Mapping[str, Any], path: _Path) -> _R:
        fields = _fields(record)
        found: dict[str, Any] = {"name": path[-1]} if "name" in record.__struct_fields__ else {}
        old_names, keys = record.old_names(), set[str]()
        for key, value in table.items():
            name = old_names.get(key, key)
            if name != key and name in table:
                said = f"is the old name of {name}, which is set too: remove {key}."
                self._problems.append(Problem((*path, key), said, "duplicate_key"))
                continue
            keys.add(name)
            if name not in fields:
                self._unknown(key, fields, path)
            elif (converted := self._value(fields[name].type, value, (*path, key))) is not UNSET:
                found[fields[name].name] = converted
        conflicts = list(record(**found).check(keys))
        for key, code, message in conflicts:
            self._problems.append(Problem((*path, key), message, code))
            found.pop(fields[key].name, None)
        return record(**found)

    def _unknown(self, key: str, known: Iterable[str], path: _Path) -> None:
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
        self._problems.append(Problem((*path, key), f"unknown key; {hint}", "unknown_key"))

    def _value(self, hint: Any, value: Any, path: _Path) -> Any | UnsetType:  # noqa: ANN401 - a type, and what TOML holds
        if _is_record(hint):
            return self.record(hint, value, path) if self._is_table(value, path) else UNSET
        if get_origin(hint) is dict:
            if not self._is_table(value, path):
                return UNSET
            entry = get_args(hint)[1]
            found = {key: self._value(entry, inner, (*path, key)) for key, inner in value.items()}
            return {key: inner for key, inner in found.items() if inner is not UNSET}
        if get_origin(hint) is tuple:
            return self._rows(get_args(hint)[0], value, path)
        try:
            return msgspec.convert(value, hint, builtin_types=(date,), dec_hook=_convert)
        except msgspec.ValidationError:
            said = f"must be {_expected(hint)}, not {_shown(value)}."
            self._problems.append(Problem(path, said))
            return UNSET

    def _is_table(self, value: object, path: _Path) -> bool:
        if not isinstance(value, dict):
            self._problems.append(Problem(path, f"must be a table, not {_shown(value)}."))
        return isinstance(value, dict)

    def _rows(self, record: type[Record], value: object, path: _Path) -> Any | UnsetType:  # noqa: ANN401 - a tuple of that record
        """The tables of an array `[[key]]`, or the one table `[key]`."""
        rows: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not all(isinstance(row, dict) for row in rows):
            self._problems.append(Problem(path, f"must be tables, as [[{dotted(path)}]]."))
            return UNSET
        return tuple(self.record(record, row, path) for row in rows)


@cache
def _fields(record: type[Record]) -> dict[str, FieldInfo]:
    """By key; `name` is the key of the table itself. Cached, since resolving types is slow."""
    fields = msgspec.structs.fields(record)
    return {field.encode_name: field for field in fields if field.name != "name"}


def _is_record(hint: object) -> TypeGuard[type[Record]]:
    return isinstance(hint, type) and issubclass(hint, Record)


def _convert(hint: type, value: object) -> object:
    """Msgspec's hook for types of ours."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError
    number = Decimal(value)
    if not number.is_finite() or not 0 <= number <= _MOST_DOLLARS:
        raise ValueError
    if hint is TokenPrice and number != round(number, 6):
        raise ValueError
    return hint(number)


def _expected(hint: object) -> str:
    """A description of values of the type, with their bounds."""
    from msgspec import inspect  # noqa: PLC0415 - only a problem needs it

    found = inspect.type_info(hint)
    if isinstance(found, inspect.UnionType):
        found = next(one for one in found.types if not isinstance(one, inspect.NoneType))
    match found:
        case inspect.Metadata(extra_json_schema={"description": str(text)}):
            return text
        case inspect.IntType(ge=int(least), le=int(most)):
            return f"an integer from {least:,} to {most:,}"
        case inspect.EnumType(cls=choices):
            return f"one of {', '.join(str(choice.value) for choice in choices)}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.DateType():
            return "a date such as 2026-11-22"
        case _:
            return "true or false"


def _shown(value: object) -> str:
    return redact(repr(value))[:60] if not isinstance(value, Decimal) else str(value)


def with_lines(problems: list[Problem], text: str) -> tuple[Problem, ...]:
    """The problems with the lines of their keys, in the order of the file."""
    if not problems:
        return ()
    lines = dict[_Path, int]()
    if any(not problem.line for problem in problems):
        for path, line in _lines(text):
            lines.setdefault(path, line)
    found = (
        msgspec.structs.replace(one, line=one.line or _line_of(one.path, lines)) for one in problems
    )
    return tuple(sorted(found, key=lambda problem: problem.line))


def _line_of(path: _Path, lines: Mapping[_Path, int]) -> int:
    """Of the key itself; where it is absent, of the table that lacks it."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)


def _lines(text: str) -> Iterator[tuple[_Path, int]]:
    import tomlkit  # noqa: PLC0415 - only a problem or an edit needs it

    yield from _LineCounter().container(tomlkit.parse(text).body, ())


class _LineCounter:
    """Counts lines along tomlkit's items, which render to the very text they came from."""

    def __init__(self) -> None:
        self.line = 1

    # tomlkit's items are untyped.
    def container(self, body: Any, path: _Path) -> Iterator[tuple[_Path, int]]:  # noqa: ANN401
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

    def _table(self, table: Any, path: _Path) -> Iterator[tuple[_Path, int]]:  # noqa: ANN401
        yield path, self.line
        # A super table is only the common part of the names of others.
        self.line += not table.is_super_table()
        yield from self.container(table.value.body, path)
