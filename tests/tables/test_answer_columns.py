"""A schema of the answers makes the columns, and their types in Parquet."""

from io import BytesIO
from typing import Any

import pytest

from core.tables.answers import Answer
from core.tables.columns import AnswerColumns
from core.tables.memory_source import MemorySource
from core.tables.parquet_writer import write_parquet

SCHEMA = {
    "type": "object",
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    "properties": {
        "label": {"enum": ["a", "b"]},
        "n": {"type": "integer"},
        "score": {"type": ["number", "null"]},
        "ok": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"$ref": "#/$defs/place"},
        "any": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    },
}
TEXT = (
    '{"label":"a","n":1,"score":2,"ok":null,"tags":["x"],"place":{"city":"Rome"},"any":5,"more":1}'
)


def test_each_property_is_a_column() -> None:
    columns = AnswerColumns(schema=SCHEMA, prefix="ai_")
    assert columns.names == tuple(f"ai_{name}" for name in (*SCHEMA["properties"], "error"))
    cells = columns.cells(Answer(TEXT, None))
    assert cells == ("a", 1, 2, None, ["x"], {"city": "Rome"}, 5, None)


def test_an_answer_that_is_no_object_is_an_error_and_a_missing_one_has_its_own() -> None:
    columns = AnswerColumns(schema={"properties": {"a": {}}})
    for text in ("no", "[1]", "", '{"a": 1'):
        assert columns.cells(Answer(text, None)) == (
            None,
            "the answer is not JSON with the properties of the schema",
        )
    assert columns.cells(Answer(None, "expired")) == (None, "expired")
    assert columns.cells(Answer('{"a": 1', "cut off")) == (None, "cut off")


def test_a_property_called_error_keeps_its_name() -> None:
    columns = AnswerColumns(schema={"properties": {"error": {}}})
    assert columns.names == ("error", "answer_error")


def _written(texts: list[str], schema: dict[str, Any]) -> Any:
    file = BytesIO()
    answers = [Answer(text, None) for text in texts]
    source = MemorySource([{"x": n} for n in range(len(texts))])
    write_parquet(file, source, answers, AnswerColumns(schema=schema))
    return pytest.importorskip("pyarrow.parquet").read_table(BytesIO(file.getvalue()))


def test_the_types_in_parquet_are_those_of_the_schema() -> None:
    pytest.importorskip("pyarrow")
    table = _written([TEXT, "{}"], SCHEMA)
    assert dict(zip(table.schema.names, map(str, table.schema.types), strict=True)) == {
        "x": "int64",
        "label": "string",
        "n": "int64",
        "score": "double",
        "ok": "bool",
        "tags": "list<element: string>",
        "place": "struct<city: string>",
        "any": "string",
        "error": "string",
    }
    assert table.to_pylist()[0] == {
        "x": 0,
        "label": "a",
        "n": 1,
        "score": 2.0,
        "ok": None,
        "tags": ["x"],
        "place": {"city": "Rome"},
        "any": "5",
        "error": None,
    }


def test_a_value_that_does_not_fit_its_type_is_an_error_of_its_row() -> None:
    pytest.importorskip("pyarrow")
    schema = {"properties": {"n": {"type": "integer"}}}
    table = _written(['{"n": 1}', '{"n": 99999999999999999999}', '{"n": "x"}'], schema)
    error = "n does not fit the type int64"
    assert table.column("n").to_pylist() == [1, None, None]
    assert table.column("error").to_pylist() == [None, error, error]
