"""Structured output: the JSON Schema of a type, and the instance of an answer. Pure.

A type is a pydantic model, recognised by its methods and never imported; a dataclass, TypedDict or
anything else that msgspec has a schema for; or a JSON Schema as a dictionary.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from core.errors import PayloadError
from core.text import printable

Schema = dict[str, Any]
_DEFS = "#/$defs/"


class NotAnInstance(ValueError):
    """The answer is not an instance of the type; the message says where and why."""


def schema_of(output: object) -> Schema:
    """The JSON Schema of the type, or that schema itself. Raises PayloadError."""
    if isinstance(output, Mapping):
        return dict(cast("Mapping[str, Any]", output))
    if not isinstance(output, type) and not hasattr(output, "__origin__"):
        raise PayloadError(
            "output must be a pydantic model, a dataclass, a TypedDict or a JSON Schema, not"
            f" {output!r:.60}.",
            code="output_invalid",
        )
    try:
        of_model: Callable[[], Schema] | None = getattr(output, "model_json_schema", None)
        return _inlined(of_model() if of_model else msgspec.json.schema(output))
    except Exception as error:
        raise PayloadError(
            f"output: {output!r:.60} has no JSON Schema: {printable(str(error))}",
            code="output_invalid",
        ) from error


def _inlined(schema: Schema) -> Schema:
    """The definition of the type itself at the root, where msgspec has a reference to it."""
    ref, rest = schema.get("$ref"), dict(schema)
    if not isinstance(ref, str) or not ref.startswith(_DEFS):
        return schema
    del rest["$ref"]
    found: Schema = schema["$defs"][ref.removeprefix(_DEFS)]
    others = {name: one for name, one in rest.pop("$defs").items() if one is not found}
    if ref.encode() in msgspec.json.encode(schema["$defs"]):
        return schema
    return {**found, **rest, **({"$defs": others} if others else {})}


def to_instance(output: object, data: object) -> Any:  # noqa: ANN401 - an instance of `output`
    """The parsed answer as an instance of the type; itself for a JSON Schema.

    Raises NotAnInstance.
    """
    if isinstance(output, Mapping):
        return data
    validate: Callable[[object], object] | None = getattr(output, "model_validate", None)
    try:
        return validate(data) if validate else msgspec.convert(data, cast("type[Any]", output))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise NotAnInstance(_first_error(error)) from error


def _first_error(error: Exception) -> str:
    """The first error: pydantic's has a list of them, and a text of many lines."""
    errors: Callable[[], list[Any]] | None = getattr(error, "errors", None)
    listed = errors() if errors else []
    if not listed:
        return str(error)
    at = "".join(f"/{part}" for part in listed[0].get("loc", ()))
    return f"{at or '/'}: {listed[0].get('msg', error)}"
