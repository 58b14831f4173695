"""The types of answers in Parquet, from their JSON Schema."""

from typing import Any, cast

from core.tables.columns import AnswerColumns, Schema
from core.tables.template import as_text

_DEFS = ("#/$defs/", "#/definitions/")
_TEXT: Schema = {"type": "string"}
_SCALARS = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}
_KINDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def fields(arrow: Any, columns: AnswerColumns) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    """The names and types of the columns. A property of no single type is a text: JSON."""
    schemas = (*(columns.properties.values() or (_TEXT,)), _TEXT)
    types = [_type(arrow, one, columns.schema) or arrow.string() for one in schemas]
    return [arrow.field(name, type_) for name, type_ in zip(columns.names, types, strict=True)]


def fitted(arrow: Any, values: list[object], type_: Any) -> tuple[Any, set[int]]:  # noqa: ANN401 - as above
    """The values as an array of that type; those at the returned positions do not fit it.

    They are null in the array.
    """
    plain = [_as_json(value) for value in values] if type_ == arrow.string() else values
    try:
        return arrow.array(plain, type=type_), set()
    except (arrow.ArrowException, OverflowError):
        unfit = {at for at, value in enumerate(plain) if not _fits(arrow, value, type_)}
        kept = [None if at in unfit else value for at, value in enumerate(plain)]
        return arrow.array(kept, type=type_), unfit


def _type(arrow: Any, schema: Any, root: Schema) -> Any:  # noqa: ANN401 - as above
    """The type of a schema's values; None where they have none in common."""
    schema = _plain(schema, root)
    match _kind(schema):
        case "array":
            item = _type(arrow, schema.get("items", {}), root)
            return arrow.list_(item) if item else None
        case "object":
            properties = schema.get("properties", {})
            types = {name: _type(arrow, one, root) for name, one in properties.items()}
            return arrow.struct(types) if types and all(types.values()) else None
        case kind:
            return getattr(arrow, _SCALARS[kind])() if kind in _SCALARS else None


def _plain(schema: Any, root: Schema) -> Any:  # noqa: ANN401 - JSON
    """What a reference stands for, and the only choice beside null."""
    ref = schema.get("$ref", "")
    for start in _DEFS:
        if ref.startswith(start):
            return _plain(root[start[2:-1]][ref.removeprefix(start)], root)
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return _plain(choices[0], root) if len(choices) == 1 else schema


def _kind(schema: Any) -> str | None:  # noqa: ANN401 - JSON
    """The name of its type; that of the values of an enum where it has no type of its own."""
    found = schema.get("type")
    if isinstance(found, list):
        names = {cast("str", name) for name in cast("list[object]", found)} - {"null"}
        return names.pop() if len(names) == 1 else None
    if found is not None:
        return found
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    kinds = {type(value).__name__ for value in values} - {"NoneType"}
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None


def _as_json(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else as_text(value)


def _fits(arrow: Any, value: object, type_: Any) -> bool:  # noqa: ANN401 - as above
    try:
        arrow.scalar(value, type=type_)
    except (arrow.ArrowException, OverflowError):
        return False
    return True
