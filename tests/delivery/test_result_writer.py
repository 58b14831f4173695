"""A delivered line says what `results` says, byte for byte taken over or not."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.delivery.result_writer import to_line
from core.delivery.results import to_result
from state.model.records import Outcome, RequestStatus
from state.queries.result_rows import DeliveredRow, ResultRow

TEXTS = st.lists(st.text(st.characters()), max_size=3)


def told(outcome: str | None, cost_nano: int | None = 1234) -> DeliveredRow:
    return DeliveredRow("feed-001", outcome, "api_error", "It broke.", cost_nano, "tb_1", 0, 1)


def as_read(row: DeliveredRow, line: bytes | None) -> object:
    """What `results` gives of the same row."""
    return to_result(
        ResultRow(
            request_id=1,
            custom_id=row.custom_id,
            tag="feed",
            status=RequestStatus.SUCCEEDED,
            batch_key=row.batch_key,
            outcome=Outcome(row.outcome) if row.outcome else None,
            error_type=row.error_type,
            error_message=row.error_message,
            stop_reason=None,
            model=None,
            cost_nano=row.cost_nano,
            result_offset=0,
            result_length=1,
        ),
        line,
    )


def a_line(content: object, *, usage: object = None) -> bytes:
    message = {"id": "msg_1", "content": content, "usage": usage, "stop_sequence": None}
    return json.dumps(
        {"custom_id": "feed-001", "result": {"type": "succeeded", "message": message}}
    ).encode()


def check(row: DeliveredRow, line: bytes | None) -> None:
    assert msgspec.json.decode(to_line(row, line)) == as_read(row, line)


@given(TEXTS)
def test_any_texts_are_told_alike(texts: list[str]) -> None:
    check(told("succeeded"), a_line([{"type": "text", "text": text} for text in texts]))


@pytest.mark.parametrize(
    "odd",
    [
        rb"\ud83d",
        rb"\ud83d\u0041",
        rb"\ude00",
        rb"\ud83d\ude00",
        rb"\\ud83d",
        rb"\\\ud83d",
        b"\xff\xfe",
        "é \u2028".encode(),
        rb"\u0000",
    ],
)
@pytest.mark.parametrize("original", [b'"told"', b'"msg_1"'])
def test_odd_bytes_are_told_alike(odd: bytes, original: bytes) -> None:
    line = a_line([{"type": "text", "text": "told"}], usage={"input_tokens": 3})
    check(told("succeeded"), line.replace(original, b'"' + odd + b'"'))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "plain",
        [{"type": "text", "text": None}],
        [{"type": "text", "text": 7}],
        [{"type": "text"}],
        [{"type": "tool_use", "input": {"text": "no"}}, {"type": "text", "text": "yes"}],
        [{"no": "type"}],
    ],
)
def test_other_contents_are_told_alike(content: object) -> None:
    check(told("succeeded"), a_line(content))


@pytest.mark.parametrize("outcome", ["errored", "expired", "canceled", "missing", None])
def test_what_brought_no_answer_is_told_alike(outcome: str | None) -> None:
    check(told(outcome, cost_nano=None), None)
