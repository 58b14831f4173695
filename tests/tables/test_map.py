"""`titan_batch.map`: rows in, the rows with their answers out."""

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from support.error_codes import code_is

import titan_batch
from core.errors import InputError
from titan_console.sandbox.api import Sandbox

ROWS: list[dict[str, Any]] = [{"x": 1, "y": None}, {"x": 2, "y": [1]}, {"x": 1, "y": 5}]
PROMPT = "Is {x} even?"


def test_each_row_comes_back_in_order_with_its_answer(sandbox: Sandbox) -> None:
    found = titan_batch.map(iter(ROWS), PROMPT, tag="t")
    assert found is not None
    assert [{"x": row["x"], "y": row["y"]} for row in found] == ROWS
    assert found[0]["answer"] == found[2]["answer"]
    assert all(row["answer"] and row["error"] is None for row in found)
    assert len(list(sandbox.billing_log().billed())) == 2
    assert titan_batch.map(ROWS, PROMPT, tag="t") == found
    more = titan_batch.map([{"x": 3}, *ROWS], PROMPT, tag="t", prefix="ai_")
    assert more is not None
    assert sorted(more[0]) == ["ai_answer", "ai_error", "x"]
    assert len(list(sandbox.billing_log().billed())) == 3


def test_none_while_a_row_is_unfinished(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as keyless, caplog.at_level(logging.WARNING, "titan_batch"):
        keyless.delenv("ANTHROPIC_API_KEY")
        assert titan_batch.map(ROWS, PROMPT, tag="t") is None
    assert "ANTHROPIC_API_KEY" in caplog.text
    # This call sends them, and the next one collects them.
    assert titan_batch.map(ROWS, PROMPT, tag="t") is None
    assert titan_batch.map(ROWS, PROMPT, tag="t") is not None
    assert sandbox.billing_log().creates == 1


def test_options_are_part_of_what_is_asked(sandbox: Sandbox) -> None:
    row = [{"x": 1}]
    for options in ({}, {"model": "claude-opus-4-6"}, {"system": "s"}, {"max_tokens": 5}):
        titan_batch.map(row, PROMPT, tag="t", **options)  # pyright: ignore[reportArgumentType]
    assert sandbox.billing_log().creates == 4
    titan_batch.map(row * 3, PROMPT, tag="t", dedup=False)
    assert len(list(sandbox.billing_log().billed())) == 6


def test_a_row_that_failed_says_why(sandbox: Sandbox) -> None:
    sandbox.faults.add("row:invalid:p=1")
    found = titan_batch.map([{"x": 1}], PROMPT, tag="t")
    assert found is not None
    assert found[0]["answer"] is None
    assert found[0]["error"].startswith("invalid_request_error: ")


@pytest.mark.parametrize(
    ("rows", "prompt", "code"),
    [
        ([{"x": 1}, {"y": 1}], PROMPT, "unknown_column"),
        ([{"x": 1, "answer": 2}], PROMPT, "column_exists"),
        ([], PROMPT, "no_requests"),
        ([{"x": 1}], "Is {", "invalid_input"),
        ([{"x": 1}], None, "invalid_input"),
        ("abc", PROMPT, "invalid_input"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    sandbox: Sandbox, rows: object, prompt: Any, code: str
) -> None:
    with pytest.raises(InputError, check=code_is(code)):
        titan_batch.map(rows, prompt, tag="t")
    assert not sandbox.billing_log().creates


def test_frames_of_polars_pandas_and_arrow_are_the_same_rows(sandbox: Sandbox) -> None:
    rows = [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    found = titan_batch.map(rows, PROMPT, tag="t")
    assert found is not None
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    assert titan_batch.map(polars.DataFrame(rows), PROMPT, tag="t") == found
    assert titan_batch.map(arrow.Table.from_pylist(rows), PROMPT, tag="t") == found
    assert polars.DataFrame(found).schema["answer"] == polars.String
    pandas = pytest.importorskip("pandas")
    assert titan_batch.map(pandas.DataFrame(rows), PROMPT, tag="t") == found
    assert sandbox.billing_log().creates == 1


@dataclass
class Verdict:
    """What an answer is."""

    even: bool
    reason: str


def test_with_an_output_type_each_answer_is_an_instance(sandbox: Sandbox) -> None:
    found = titan_batch.map(ROWS, PROMPT, tag="t", output=Verdict)
    assert found is not None
    assert all(isinstance(row["answer"], Verdict) and row["error"] is None for row in found)
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Verdict", even=(bool, ...), reason=(str, ...))
    found = titan_batch.map(ROWS, PROMPT, tag="t", output=model)
    assert found is not None
    assert isinstance(found[0]["answer"], model)
    sandbox.faults.add("row:wrong-output:p=1")
    found = titan_batch.map([{"x": 9}], PROMPT, tag="t", output=Verdict)
    assert found is not None
    assert found[0]["answer"] is None
    assert found[0]["error"].startswith("the answer does not match the schema: ")


def test_an_answer_that_does_not_match_is_asked_again(sandbox: Sandbox) -> None:
    sandbox.faults.add("row:wrong-output:p=1")
    found: list[Any] = []
    for _ in ("collected and queued again", "sent", "collected"):
        found.append(titan_batch.map([{"x": 1}], PROMPT, tag="t", output=Verdict, reask=1))
        sandbox.faults.clear()
    assert found[:2] == [None, None]
    assert type(found[2][0]["answer"]) is Verdict
    assert found[2][0]["error"] is None
    assert sandbox.billing_log().creates == 2


class _Plain:
    """An object without a text of its own."""


@pytest.mark.parametrize("value", [{"b", "a"}, [frozenset("ab")], {"deep": {"ab"}}, _Plain()])
def test_a_value_whose_text_differs_from_run_to_run_is_refused(
    sandbox: Sandbox, value: object
) -> None:
    """It would be another request in each run, sent and paid for again."""
    with pytest.raises(InputError, match=r"Row 2: 'x' of type \w+ has no text that is the same"):
        titan_batch.map([{"x": 1}, {"x": value}], PROMPT, tag="t")
    assert sandbox.billing_log().creates == 0


@pytest.mark.parametrize("given", [{"system": 5}, {"prefix": 5}, {"system": ["Be brief."]}])
def test_a_text_must_be_a_string(sandbox: Sandbox, given: Any) -> None:
    with pytest.raises(InputError, match="must be a string"):
        titan_batch.map([{"x": 1}], PROMPT, tag="t", **given)
    assert sandbox.billing_log().creates == 0
