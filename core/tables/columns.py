"""The columns that the answers add to a table."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import msgspec

from core.tables.answers import Answer

Schema = Mapping[str, Any]
_NO_OBJECT = "the answer is not JSON with the properties of the schema"
_decode = msgspec.json.Decoder().decode


class AnswerColumns:
    """`answer` with the text, or a column for each property of the schema of the answers.

    The last one is `error`, null where there is an answer; `answer_error` where the schema has a
    property of that name. `prefix` is put before each.
    """

    def __init__(self, *, prefix: str = "", schema: Schema | None = None) -> None:
        """`schema` is the JSON Schema of every answer."""
        self._prefix = prefix
        self.schema: Schema = schema or {}

    @cached_property
    def properties(self) -> Schema:
        """The schemas of the columns but for `error`; empty where there is only a text."""
        return cast("Schema", self.schema.get("properties") or {})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        error = "answer_error" if "error" in self.properties else "error"
        return tuple(f"{self._prefix}{name}" for name in (*(self.properties or ("answer",)), error))

    def cells(self, answer: Answer) -> tuple[object, ...]:
        """Their values."""
        if not self.properties:
            return (answer.text, answer.error)
        # Of an answer that needs review no part is taken for data.
        found = _object(None if answer.error else answer.text)
        error = answer.error or (_NO_OBJECT if found is None else None)
        return (*((found or {}).get(name) for name in self.properties), error)

    def as_dict(self, answer: Answer) -> dict[str, object]:
        """Their values by name."""
        return dict(zip(self.names, self.cells(answer), strict=True))


def _object(text: str | None) -> Schema | None:
    if text is None:
        return {}
    try:
        found: object = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return cast("Schema", found) if isinstance(found, dict) else None
