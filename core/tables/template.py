"""Prompt templates: a text with names of columns in braces. Nothing in them is run."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import cast

import msgspec
from msgspec import Struct

from core.errors import InputError

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LITERAL = "write {{ for { and }} for } where a brace is meant"
_LISTED = 20
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Template(Struct, frozen=True):
    """A parsed template: `literals` has one item more than `columns`, which come between them.

    `lines` are the lines of the columns, from 1 on.
    """

    name: str
    literals: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[int, ...]

    def render(self, values: Mapping[str, object]) -> str:
        """The prompt of a row. Raises KeyError for a column that the row does not have."""
        parts = [self.literals[0]]
        for column, literal in zip(self.columns, self.literals[1:], strict=True):
            parts += as_text(values[column]), literal
        return "".join(parts)

    def check(self, columns: Iterable[str], where: str) -> None:
        """Raise InputError where a placeholder names none of the columns; `where` has them."""
        known = list(columns)
        for column, line in zip(self.columns, self.lines, strict=True):
            if column not in known:
                raise InputError(
                    f"{self.name} line {line}: {_unknown(column, known, where)}",
                    code="unknown_column",
                )


def parse(text: str, name: str) -> Template:
    """Parse a template, which messages call `name`.

    Spaces at the end are left out. Raises InputError where a brace stands alone, or nothing is in
    the text.

    >>> parse("Is {title} {{good}}?", "p").render({"title": "Dune"})
    'Is Dune {good}?'
    """
    text = text.rstrip()
    if not text:
        raise InputError(f"{name} is empty: it needs the prompt.")
    literals, columns, lines, literal, end = list[str](), list[str](), list[int](), "", 0
    for found in _TOKEN.finditer(text):
        literal += text[end : found.start()]
        end = found.end()
        line = text.count("\n", 0, found.start()) + 1
        if found[0] in ("{{", "}}"):
            literal += found[0][0]
        elif found[1] is None or not found[1].strip():
            raise InputError(f"{name} line {line}: {found[0]!r} names no column; {_LITERAL}.")
        else:
            literals.append(literal)
            columns.append(found[1])
            lines.append(line)
            literal = ""
    literals.append(literal + text[end:])
    return Template(name, tuple(literals), tuple(columns), tuple(lines))


def as_text(value: object) -> str:
    """A value as it stands in a prompt: a text as it is, nothing for a missing one, else JSON."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    text = _encode(value).decode()
    return cast("str", msgspec.json.decode(text)) if text.startswith('"') else text


def is_missing(value: object) -> bool:
    """Whether it is null: None, NaN, or what data frames have in its place."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - NaN differs from itself
    return type(value).__name__ in ("NAType", "NaTType")


def _unknown(column: str, known: list[str], where: str) -> str:
    near = get_close_matches(column, known, n=1)
    listed = ", ".join(known[:_LISTED]) + (", …" if len(known) > _LISTED else "")
    hint = f"did you mean {{{near[0]}}}? " if near else ""
    literal = "" if near else f" {_LITERAL[0].upper()}{_LITERAL[1:]}."
    return f"no column {column!r:.60} in {where}; {hint}columns: {listed}.{literal}"
