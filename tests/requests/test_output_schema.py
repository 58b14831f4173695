"""A type gives its schema, and an answer its instance; unsupported schemas are named."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest
from support.builders import a_request

from core.errors import PayloadError
from core.requests.output_schema import NotAnInstance, schema_of, to_instance
from core.requests.payload import Limits, Line, parse_line, to_line
from core.requests.supported_schema import as_sent, prepared, sent_schema


class Address(pydantic.BaseModel):
    city: str
    zip: str | None = None


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(description="Full name.", min_length=1)
    score: float = pydantic.Field(ge=0, le=1)
    kind: Literal["a", "b"]
    home: Address


@dataclass
class Point:
    x: Annotated[int, msgspec.Meta(ge=0)]
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Tree(pydantic.BaseModel):
    children: list["Tree"]


class FreeKeys(pydantic.BaseModel):
    counts: dict[str, int]


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
CLOSED = (
    b'{"type":"object","properties":{"n":{"type":"integer","minimum":1,'
    b'"description":"{minimum: 1}"}},"additionalProperties":false}'
)


def line_of(output: bytes | None = None, **params: Any) -> Line:
    request = a_request("c-1", **params)
    return to_line(request, position=1, model="m", betas=(), limits=Limits(), output=output)


def sent_of(output: object) -> dict[str, Any]:
    return msgspec.json.decode(sent_schema(prepared(schema_of(output))))


def test_a_model_is_sent_without_the_keywords_that_the_api_refuses_and_told_them() -> None:
    sent = sent_of(Person)
    assert sent["additionalProperties"] is False
    assert sent["$defs"]["Address"]["additionalProperties"] is False
    assert sent["properties"]["name"] == {
        "description": "Full name.\n\n{minLength: 1}",
        "title": "Name",
        "type": "string",
    }
    assert "minimum" not in sent["properties"]["score"]
    assert sent["properties"]["home"] == {"$ref": "#/$defs/Address"}


@pytest.mark.parametrize("output", [Point, Movie])
def test_a_dataclass_and_a_typed_dict_have_their_schema_at_the_root(output: object) -> None:
    sent = sent_of(output)
    assert sent["type"] == "object"
    assert "$ref" not in sent


@pytest.mark.parametrize("output", [Person, Point, Movie, SCHEMA, list[Point]])
def test_a_prepared_schema_is_prepared_once(output: object) -> None:
    first = prepared(schema_of(output))
    assert prepared(msgspec.json.decode(first)) == first


@pytest.mark.parametrize(
    ("output", "at", "why"),
    [
        (Tree, "/$defs/Tree/properties/children/items", "recursive"),
        (FreeKeys, "/properties/counts", "other keys"),
        ({"type": "object", "properties": {"a": {}}}, "/properties/a", "give it a type"),
        ({"type": "object", "properties": {"a": True}}, "/properties/a", "with a type"),
        ({"type": "array", "items": {"$ref": "https://x.example/s"}}, "/items", "not inside"),
        ({"type": "array", "items": {"$ref": "#/$defs/gone"}}, "/items", "leads nowhere"),
        ({"type": "array", "items": {"$ref": "#"}}, "/items", "recursive"),
        ({"anyOf": [{"type": "string"}, {"enum": [["a"]]}]}, "/anyOf/1", "only be strings"),
        ({"type": "objekt"}, "", "not a valid JSON Schema"),
        ({"type": "string", "pattern": "(?=a"}, "", "not a valid JSON Schema"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": SCHEMA}}, "/allOf", "inside allOf"),
        ({"type": "object", "properties": SCHEMA, "patternProperties": {}}, "", "other keys"),
    ],
)
def test_a_schema_that_the_api_does_not_support_is_refused_with_its_place(
    output: object, at: str, why: str
) -> None:
    with pytest.raises(PayloadError, match=why) as refused:
        prepared(schema_of(output))
    assert refused.value.code == "schema_unsupported"
    assert f"The output schema{f' at {at}' if at else ''}:" in str(refused.value)


@pytest.mark.parametrize("output", [7, [int], object, "text"])
def test_what_has_no_schema_is_refused_in_one_line(output: object) -> None:
    with pytest.raises(PayloadError) as refused:
        schema_of(output)
    assert refused.value.code == "output_invalid"
    assert "\n" not in str(refused.value)


def test_the_schema_of_the_submission_is_in_each_request_and_found_in_its_line_again() -> None:
    line = line_of(prepared(SCHEMA), output_config={"effort": "low"})
    assert line.schema == CLOSED
    config = msgspec.json.decode(line.body)["params"]["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["type"] == "json_schema"
    assert parse_line(line.body, betas=()) == line


def test_a_request_with_its_own_format_has_that_schema() -> None:
    line = line_of(output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    assert line.schema == CLOSED
    assert parse_line(line.body, betas=()) == line


@pytest.mark.parametrize("config", [None, {}, {"effort": "low"}, {"format": None}, "text"])
def test_a_request_without_a_format_has_no_schema(config: object) -> None:
    line = line_of(output_config=config)
    assert line.schema is None
    assert as_sent(line.body) == line.body
    assert parse_line(line.body, betas=()).schema is None


def test_two_schemas_for_one_request_and_a_bad_one_are_refused_by_its_name() -> None:
    own = {"format": {"type": "json_schema", "schema": SCHEMA}}
    with pytest.raises(PayloadError, match="'c-1' has its own") as twice:
        line_of(prepared(SCHEMA), output_config=own)
    assert twice.value.code == "schema_twice"
    with pytest.raises(PayloadError, match="'c-1': The output schema: it accepts any value"):
        line_of(output_config={"format": {"type": "json_schema", "schema": {}}})


def test_a_line_is_sent_with_the_same_bytes_but_for_its_schema() -> None:
    line = line_of(prepared(SCHEMA), system='{"minimum":1}')
    sent = as_sent(line.body)
    assert sent == line.body.replace(b'"type":"integer","minimum":1,', b'"type":"integer",')
    assert as_sent(sent) == sent


def test_an_answer_becomes_an_instance_or_says_where_it_is_none() -> None:
    answer = {"name": "Ada", "score": 0.5, "kind": "a", "home": {"city": "London"}}
    assert to_instance(Person, answer) == Person.model_validate(answer)
    assert to_instance(Point, {"x": 1}) == Point(1, 0)
    assert to_instance(Movie, {"title": "M"}) == {"title": "M"}
    assert to_instance(SCHEMA, {"n": 0}) == {"n": 0}
    with pytest.raises(NotAnInstance, match="/home/city: Field required"):
        to_instance(Person, answer | {"home": {}})
    with pytest.raises(NotAnInstance, match=r"\$\.x"):
        to_instance(Point, {"x": -1})
