"""How `results` prints one request."""

from typing import Any

import pytest

from titan_console.cli.commands.results import _line


def _result(
    outcome: str | None,
    error: dict[str, Any] | None = None,
    text: str = "",
    invalid: str | None = None,
) -> Any:
    message = {"stop_reason": "end_turn"} if text else None
    return {
        "custom_id": "a-1",
        "outcome": outcome,
        "message": message,
        "text": text,
        "error": error,
        "invalid": invalid,
    }


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (_result("succeeded", text="four"), "a-1  succeeded  four"),
        (
            _result("succeeded", text="4", invalid="/: 4 is not a string"),
            "a-1  succeeded (invalid: /: 4 is not a string)  4",
        ),
        (_result("canceled", {"type": "canceled", "message": None}), "a-1  canceled"),
        (
            _result("errored", {"type": "api_error", "message": "Internal"}),
            "a-1  errored  api_error: Internal",
        ),
        (_result("errored", {"type": "api_error", "message": None}), "a-1  errored  api_error"),
        (_result(None), "a-1  not answered yet"),
    ],
)
def test_the_line_of_a_result_says_each_thing_once(result: Any, line: str) -> None:
    assert _line(result) == line
