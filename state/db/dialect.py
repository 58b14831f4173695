"""The SQL that databases spell differently: statements outside `state.db` are made of these parts.

The rest of a statement is in the subset that SQLite and PostgreSQL share; `tests/architecture`
keeps it so. Each part is in SQLite's spelling, and `spelled_for_postgres` replaces it by the other
one that is written beside it here.
"""

import json
from collections.abc import Iterable
from functools import lru_cache

from state.model.id_list import IdList

# SQLite's spelling of each part that was made -> PostgreSQL's.
_POSTGRES: dict[str, str] = {}


def _spelled(sqlite: str, postgres: str) -> str:
    _POSTGRES[sqlite] = postgres
    return sqlite


# The ids, or the texts, of a list that is one parameter, made by `as_list`.
LISTED = _spelled(
    "(SELECT value FROM json_each(?))",
    "(SELECT value::bigint AS value FROM json_array_elements_text(?::json))",
)
LISTED_TEXTS = _spelled(
    "(SELECT value FROM json_each(?) texts)",
    '(SELECT value COLLATE "C" AS value FROM json_array_elements_text(?::json))',
)
# Joins what comes next to each row of what came before, which are few: SQLite's planner would
# begin with the larger table. Its condition follows with ON.
THEN_JOIN = _spelled("CROSS JOIN /* in this order */", "JOIN")


@lru_cache(maxsize=2048)
def spelled_for_postgres(sql: str) -> str:
    """The statement with each part of this module in PostgreSQL's spelling.

    A part may be within another, which is replaced first.
    """
    for sqlite in sorted(_POSTGRES, key=len, reverse=True):
        sql = sql.replace(sqlite, _POSTGRES[sqlite])
    return sql


def as_list(values: Iterable[int | str]) -> str:
    """The parameter for `LISTED` or `LISTED_TEXTS`."""
    return values.json if isinstance(values, IdList) else json.dumps(list(values))


def items(document: str, name: str) -> str:
    """The elements of an array in JSON as rows of a table; `name.value` is one element."""
    return _spelled(
        f"json_each({document}) {name}", f"json_array_elements({document}::json) {name}"
    )


def array_of(value: str) -> str:
    """An aggregate: the values in the order of the rows, as an array in JSON; text."""
    _, distinct, each = value.rpartition("DISTINCT ")
    text = f"{distinct}coalesce(to_json({each})::text, 'null')"
    return _spelled(
        f"json_group_array({value})", f"('[' || coalesce(string_agg({text}, ','), '') || ']')"
    )


def text_in(document: str, key: str | int) -> str:
    """The text under the key of an object in JSON, or at the index of an array."""
    return _spelled(f"({document} ->> {key!r})", f"({document}::json ->> {key!r})")


def number_in(document: str, key: str | int) -> str:
    """The integer there."""
    return _spelled(f"({document}->>{key!r})", f"({document}::json ->> {key!r})::bigint")


def is_true_in(document: str, key: str) -> str:
    """Whether the value there is `true`."""
    return _spelled(f"({document} ->> {key!r} = 1)", f"({document}::json ->> {key!r} = 'true')")


def with_text(document: str, key: str) -> str:
    """The object in JSON with that text, a parameter, under the key."""
    return _spelled(
        f"json_set({document}, '$.{key}', ?)",
        f"jsonb_set({document}::jsonb, '{{{key}}}', to_jsonb(?::text))::text",
    )


def is_not(left: str, right: str = "?") -> str:
    """Whether two values differ; null is a value. `IS DISTINCT FROM` would need SQLite 3.39."""
    return _spelled(f"{left} IS NOT {right}", f"{left} IS DISTINCT FROM {right}")


def is_same(left: str, right: str = "?") -> str:
    """Whether two values are the same; null is a value."""
    return _spelled(f"{left} IS {right}", f"{left} IS NOT DISTINCT FROM {right}")


def contains(column: str) -> str:
    """The condition that a column contains a `pattern`; case-insensitive."""
    return _spelled(f"{column} LIKE ? ESCAPE '\\'", f"{column} ILIKE ? ESCAPE '\\'")


def pattern(value: str) -> str:
    """The parameter for `contains`: any text that contains the value."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def starts_with(column: str) -> str:
    """The condition that a column starts with a text; case-sensitive, so that it uses an index."""
    return f"({column} >= ? AND {column} < ?)"


def prefix_range(text: str) -> tuple[str, str]:
    """The parameters for `starts_with`."""
    return text, f"{text}\U0010ffff"


def has_part(column: str) -> str:
    """The condition that one of the parts of a text, between commas, is the parameter."""
    return _spelled(
        f"(instr(',' || {column} || ',', ',' || ? || ',') > 0)",
        f"(strpos(',' || {column} || ',', ',' || ?::text || ',') > 0)",
    )
