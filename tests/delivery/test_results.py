"""A job gets the same keys whatever happened, and text only where there is some."""

import json

import pytest

from core.delivery.results import to_result
from state.model.records import Outcome, RequestStatus
from state.queries.result_rows import ResultRow

KEYS = [
    "custom_id",
    "outcome",
    "text",
    "message",
    "error",
    "usage",
    "cost_usd",
    "batch_id",
    "invalid",
]


def a_row(outcome: Outcome | None, **fields: object) -> ResultRow:
    values: dict[str, object] = {
        "request_id": 1,
        "custom_id": "a-1",
        "tag": "t",
        "status": RequestStatus.IN_FLIGHT,
        "batch_key": "tb_1",
        "outcome": outcome,
        "error_type": None,
        "error_message": None,
        "stop_reason": None,
        "invalid": None,
        "model": None,
        "cost_nano": None,
        "result_offset": 0,
        "result_length": 0,
    }
    return ResultRow(**(values | fields))  # pyright: ignore[reportArgumentType]


def a_line(content: object) -> bytes:
    message = {"content": content, "usage": {"input_tokens": 1}}
    return json.dumps({"custom_id": "a-1", "result": {"message": message}}).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(
            [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}], "AB", id="two"
        ),
        pytest.param([{"type": "thinking", "thinking": "x"}], None, id="no text"),
        pytest.param("", None, id="empty text as content"),
        pytest.param([{"type": "text", "text": ""}], "", id="empty text"),
        pytest.param([{"type": "text", "text": None}], None, id="null text"),
        pytest.param([{"type": "text"}], None, id="text left out"),
        pytest.param(["A", 5, None], None, id="no blocks"),
        pytest.param("A", None, id="no list"),
        pytest.param(None, None, id="null"),
    ],
)
def test_the_text_is_every_text_block_of_the_answer(content: object, text: str | None) -> None:
    result = to_result(a_row(Outcome.SUCCEEDED, cost_nano=1_500), a_line(content))
    assert list(result) == KEYS
    assert result["text"] == text
    assert result["usage"] == {"input_tokens": 1}
    assert result["cost_usd"] == 0.0000015
    assert result["error"] is None


@pytest.mark.parametrize("outcome", [Outcome.CANCELED, Outcome.EXPIRED, Outcome.MISSING])
def test_an_outcome_without_an_error_of_its_own_is_its_own_error(outcome: Outcome) -> None:
    result = to_result(a_row(outcome, cost_nano=0), None)
    assert result["error"] == {"type": outcome.value, "message": None}
    assert (result["text"], result["message"], result["usage"]) == (None, None, None)


def test_what_has_not_ended_has_no_outcome_and_no_error() -> None:
    result = to_result(a_row(None), None)
    assert list(result) == KEYS
    assert {result[key] for key in KEYS if key not in ("custom_id", "batch_id")} == {None}
