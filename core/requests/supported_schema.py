"""Which JSON Schemas the API's structured output supports, and what is sent of them. Pure.

A schema is refused where the API could not answer by it at all: free keys, recursion, references to
elsewhere. Keywords that only narrow it, such as `minimum`, are not sent: the request keeps them,
its answer is checked by them, and a description tells them to the model, as the SDK does.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

import msgspec

from core.errors import PayloadError

Schema = dict[str, Any]
# The key of a request that has a schema.
_CONFIG = "output_config"
_KEY = b'"output_config"'
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email"} | {"hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf")
_SENT = frozenset(
    {"type", "title", "description", "enum", "const", "required", "additionalProperties", "$ref"}
)
# Notes for programs, which a model does not need.
_NOTES = frozenset(
    {"$schema", "$id", "$comment", "default", "deprecated", "discriminator"}
    | {"readOnly", "writeOnly"}
)
_DATA = frozenset({"default", "examples", "enum", "const"})
_SHAPES = frozenset({"type", "enum", "const", "$ref", *_LISTS})
_REMOTE = ("$dynamicRef", "$recursiveRef")


def prepared(schema: object) -> bytes:
    """The schema as a request keeps it: closed objects, and its limits told in descriptions.

    Raises PayloadError, which names the place, for one that the API does not support.
    """
    try:
        encoded = msgspec.json.encode(schema)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _unsupported("", f"it cannot be encoded as JSON: {error}.") from error
    return _prepared(encoded)


@lru_cache(maxsize=256)
def _prepared(encoded: bytes) -> bytes:
    schema: object = msgspec.json.decode(encoded)
    try:
        closed = _closed(schema, "")
        _check_references(closed)
    except RecursionError as error:
        raise _unsupported("", "it is nested too deeply.") from error
    _check_is_schema(closed)
    return msgspec.json.encode(closed)


def schema_in(params: Mapping[str, object]) -> object:
    """The schema that the parameters of a request name; None without one."""
    found: object = params.get(_CONFIG)
    for key in ("format", "schema"):
        if not isinstance(found, Mapping):
            return None
        fields = cast("Mapping[str, object]", found)
        if key == "schema" and fields.get("type") != "json_schema":
            return None
        found = fields.get(key)
    return found


def schema_of_line(line: bytes) -> bytes | None:
    """The schema in the line of a request, as JSON; None without one."""
    if _KEY not in line:
        return None
    params: object = msgspec.json.decode(line).get("params")
    schema = schema_in(cast("Schema", params)) if isinstance(params, dict) else None
    return None if schema is None else msgspec.json.encode(schema)


def with_schema(params: Mapping[str, object], schema: bytes) -> dict[str, object]:
    """The parameters with this schema as the format of the output."""
    others: dict[str, object] = {}
    if isinstance(config := params.get(_CONFIG), Mapping):
        others.update(cast("Mapping[str, object]", config))
    form = {"type": "json_schema", "schema": msgspec.Raw(schema)}
    return {**params, _CONFIG: {**others, "format": form}}


def as_sent(line: bytes) -> bytes:
    """The line of a request without what the API does not accept in its schema."""
    if _KEY not in line:
        return line
    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    params = msgspec.json.decode(fields["params"], type=dict[str, msgspec.Raw])
    config: object = msgspec.json.decode(params[_CONFIG]) if _CONFIG in params else None
    schema = schema_in({_CONFIG: config})
    if schema is None:
        return line
    stored = msgspec.json.encode(schema)
    sent = sent_schema(stored)
    if sent == stored:
        return line
    changed = with_schema({_CONFIG: config}, sent)[_CONFIG]
    params[_CONFIG] = msgspec.Raw(msgspec.json.encode(changed))
    fields["params"] = msgspec.Raw(msgspec.json.encode(params))
    return msgspec.json.encode(fields)


@lru_cache(maxsize=256)
def sent_schema(stored: bytes) -> bytes:
    """The part of a stored schema that the API accepts."""
    schema: object = msgspec.json.decode(stored)
    try:
        return msgspec.json.encode(_accepted(cast("Schema", schema)))
    except (AttributeError, TypeError):
        # A request of an earlier version, in which no schema was checked.
        return stored


def _accepted(schema: Schema) -> Schema:
    if "$ref" in schema:
        # Beside a reference, the API takes only the definitions at the root.
        schema = {key: schema[key] for key in ("$ref", "$defs", "definitions") if key in schema}
    accepted: Schema = {}
    for key, value in schema.items():
        if key in _MAPS:
            accepted[key] = {name: _accepted(one) for name, one in value.items()}
        elif key in _LISTS:
            accepted["allOf" if key == "allOf" else "anyOf"] = [_accepted(one) for one in value]
        elif key == "items" and isinstance(value, dict):
            accepted[key] = _accepted(cast("Schema", value))
        elif _is_sent(key, value):
            accepted[key] = value
    return accepted


def _is_sent(key: str, value: object) -> bool:
    return (
        key in _SENT
        or (key == "minItems" and value in (0, 1))
        or (key == "format" and value in _FORMATS)
    )


def _closed(schema: object, at: str) -> Schema:
    """The schema with closed objects and told limits. Raises PayloadError."""
    if not isinstance(schema, dict):
        raise _unsupported(at, "it must be an object with a type.")
    closed = dict(cast("Schema", schema))
    _check_kind(closed, at)
    _check_values(closed, at)
    if _is_object(closed):
        _check_keys(closed, at)
        closed.setdefault("type", "object")
        closed["additionalProperties"] = False
    for key in _MAPS:
        if key in closed:
            maps = _mapping(closed[key], f"{at}/{key}")
            closed[key] = {n: _closed(one, f"{at}/{key}/{n}") for n, one in maps.items()}
    for key in _LISTS:
        if key in closed:
            listed = _list(closed[key], f"{at}/{key}")
            closed[key] = [_closed(one, f"{at}/{key}/{n}") for n, one in enumerate(listed)]
    if "items" in closed and "prefixItems" not in closed:
        closed["items"] = _closed(closed["items"], f"{at}/items")
    _tell(closed)
    return closed


def _check_kind(schema: Schema, at: str) -> None:
    if _SHAPES.isdisjoint(schema) and "properties" not in schema:
        raise _unsupported(at, "it accepts any value: give it a type.")
    for key in _REMOTE:
        if key in schema:
            raise _unsupported(at, f"{key} is not supported.")
    members = schema.get("allOf")
    if isinstance(members, list) and any(
        isinstance(one, dict) and "$ref" in one for one in cast("list[object]", members)
    ):
        raise _unsupported(f"{at}/allOf", "$ref inside allOf is not supported: use $ref alone.")


def _check_values(schema: Schema, at: str) -> None:
    values = list(cast("list[object]", schema.get("enum") or ()))
    if "const" in schema:
        values.append(schema["const"])
    if any(isinstance(value, dict | list) for value in values):
        raise _unsupported(at, "enum and const may only be strings, numbers, booleans and null.")


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    kinds = cast("list[object]", kind) if isinstance(kind, list) else [kind]
    return "object" in kinds or "properties" in schema


def _check_keys(schema: Schema, at: str) -> None:
    is_open = schema.get("additionalProperties", False) is not False
    if is_open or "patternProperties" in schema or "properties" not in schema:
        raise _unsupported(
            at,
            "an object needs `properties` and no other keys (additionalProperties: false): list"
            " free keys as an array of objects with a name and a value.",
        )


def _tell(schema: Schema) -> None:
    """Add the limits that are not sent to the description, once."""
    told = {
        key: value
        for key, value in schema.items()
        if not _is_sent(key, value)
        and key not in (*_MAPS, *_LISTS, *_NOTES)
        and not (key == "items" and isinstance(value, dict))
    }
    if not told or "$ref" in schema:
        return
    limits = "{" + ", ".join(f"{key}: {_text(value)}" for key, value in told.items()) + "}"
    known = schema.get("description") or ""
    if not known.endswith(limits):
        schema["description"] = f"{known}\n\n{limits}" if known else limits


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _mapping(value: object, at: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _unsupported(at, "it must be an object of schemas.")
    return cast("dict[str, object]", value)


def _list(value: object, at: str) -> list[object]:
    if not isinstance(value, list) or not value:
        raise _unsupported(at, "it must be a list of schemas.")
    return cast("list[object]", value)


def _check_references(root: Schema) -> None:
    """Raise PayloadError for a reference to elsewhere, to nothing, or back to itself."""
    done: set[str] = set()

    def visit(node: object, at: str, active: tuple[str, ...]) -> None:
        for key, value in _children(node):
            here = f"{at}/{key}"
            if key != "$ref" or not isinstance(value, str):
                visit(value, here, active)
            elif value in active or value == "#":
                raise _unsupported(at, f"the reference {value!r:.80} makes it recursive.")
            elif value not in done:
                visit(_target(root, value, at), value.removeprefix("#"), (*active, value))
                done.add(value)

    visit(root, "", ())


def _children(node: object) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in cast("Schema", node).items():
            if key not in _DATA:
                yield key, value
    elif isinstance(node, list):
        yield from ((str(n), one) for n, one in enumerate(cast("list[object]", node)))


def _target(root: Schema, ref: str, at: str) -> object:
    if not ref.startswith("#/"):
        raise _unsupported(at, f"the reference {ref!r:.80} is not inside the schema.")
    found: object = root
    for part in ref.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        found = dict(_children(found)).get(name)
    if not isinstance(found, dict):
        raise _unsupported(at, f"the reference {ref!r:.80} leads nowhere.")
    return cast("object", found)


def _check_is_schema(schema: Schema) -> None:
    import jsonschema_rs  # noqa: PLC0415 - only where a schema is in use

    try:
        jsonschema_rs.validator_for(schema, offline=True)
    except ValueError as error:
        reason = getattr(error, "message", None) or str(error)
        raise _unsupported("", f"it is not a valid JSON Schema: {reason!s:.200}.") from error


def _unsupported(at: str, reason: str) -> PayloadError:
    where = f" at {at}" if at else ""
    return PayloadError(f"The output schema{where}: {reason}", code="schema_unsupported")
