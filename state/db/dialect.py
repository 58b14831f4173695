"""The SQL that databases spell differently: statements outside `state.db` are made of these parts.

The rest of a statement is in the subset that SQLite and PostgreSQL share; `tests/architecture`
keeps it so. A second database has a module with these names.
"""

import json
from collections.abc import Iterable

from state.model.id_list import IdList

# The ids, or the texts, of a list that is one parameter, made by `as_list`.
LISTED = "(SELECT value FROM json_each(?))"
LISTED_TEXTS = LISTED
# Joins what comes next to each row of what came before, which are few: SQLite's planner would
# begin with the larger table. Its condition follows with ON. PostgreSQL: JOIN.
THEN_JOIN = "CROSS JOIN"


def as_list(values: Iterable[int | str]) -> str:
    """The parameter for `LISTED` or `LISTED_TEXTS`."""
    return values.json if isinstance(values, IdList) else json.dumps(list(values))


def items(document: str, name: str) -> str:
    """The elements of an array in JSON as rows of a table; `name.value` is one element."""
    return f"json_each({document}) {name}"


def array_of(value: str) -> str:
    """An aggregate: the values in the order of the rows, as an array in JSON; text."""
    return f"json_group_array({value})"


def text_in(document: str, key: str | int) -> str:
    """The text under the key of an object in JSON, or at the index of an array."""
    return f"({document} ->> {key!r})"


def number_in(document: str, key: str | int) -> str:
    """The integer there."""
    return f"({document} ->> {key!r})"


def is_true_in(document: str, key: str) -> str:
    """Whether the value there is `true`."""
    return f"({document} ->> {key!r} = 1)"


def with_text(document: str, key: str) -> str:
    """The object in JSON with that text, a parameter, under the key."""
    return f"json_set({document}, '$.{key}', ?)"


def is_not(left: str, right: str = "?") -> str:
    """Whether two values differ; null is a value. `IS DISTINCT FROM` would need SQLite 3.39."""
    return f"{left} IS NOT {right}"


def is_same(left: str, right: str = "?") -> str:
    """Whether two values are the same; null is a value."""
    return f"{left} IS {right}"


def contains(column: str) -> str:
    """The condition that a column contains a `pattern`; case-insensitive. PostgreSQL: ILIKE."""
    return f"{column} LIKE ? ESCAPE '\\'"


def pattern(value: str) -> str:
    """The parameter for `contains`: any text that contains the value."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def starts_with(column: str) -> str:
    """The condition that a column starts with a text; case-sensitive, so that it uses an index."""
    return f"{column} GLOB ?"


def prefix_pattern(text: str) -> str:
    """The parameter for `starts_with`; in GLOB only character sets can escape."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text) + "*"


def has_part(column: str) -> str:
    """The condition that one of the parts of a text, between commas, is the parameter."""
    return f"(instr(',' || {column} || ',', ',' || ? || ',') > 0)"
