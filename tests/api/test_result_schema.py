"""One line of results is read strictly; what the API billed is never taken for garbage."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.result_schema import BadLineError, decode, message_of, with_custom_id
from core.api.usage_schema import MOST_SEARCHES, MOST_TOKENS, usage_of
from state.model.records import CollectedResult, Outcome, Usage

USAGE = {"input_tokens": 11, "output_tokens": 7}


def a_message(**fields: object) -> dict[str, object]:
    return {
        "model": "claude-haiku-4-5-20251001",
        "stop_reason": "end_turn",
        "usage": USAGE,
    } | fields


def succeeded(**fields: object) -> bytes:
    result = {"type": "succeeded", "message": a_message(**fields)}
    return json.dumps({"custom_id": "a-k3x9q2ab", "result": result}).encode()


def with_usage(**tokens: object) -> bytes:
    return succeeded(usage=USAGE | tokens)


def errored(error: object) -> bytes:
    result = {"type": "errored", "error": error}
    return json.dumps({"custom_id": "a", "result": result}).encode()


def test_a_succeeded_line_gives_model_stop_reason_and_every_kind_of_token() -> None:
    line = with_usage(
        cache_creation_input_tokens=9,
        cache_read_input_tokens=3,
        cache_creation={"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4},
        service_tier="batch",
        something_new={"a": [0]},
    )
    assert decode(line) == CollectedResult(
        custom_id="a-k3x9q2ab",
        outcome=Outcome.SUCCEEDED,
        model="claude-haiku-4-5-20251001",
        stop_reason="end_turn",
        usage=Usage(
            input_tokens=11,
            output_tokens=7,
            cache_write_5m_tokens=5,
            cache_write_1h_tokens=4,
            cache_read_tokens=3,
            service_tier="batch",
        ),
    )


def test_cache_writes_without_a_split_are_of_five_minutes() -> None:
    usage = decode(with_usage(cache_creation_input_tokens=9, cache_creation=None)).usage
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (9, 0)


@pytest.mark.parametrize("kind", ["canceled", "expired"])
def test_a_row_that_never_ran_has_no_usage(kind: str) -> None:
    found = decode(b'{"custom_id":"a","result":{"type":"%b"}}' % kind.encode())
    assert found == CollectedResult(custom_id="a", outcome=Outcome(kind))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        pytest.param(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            "overloaded_error",
            "Overloaded",
            id="nested twice, as the API does",
        ),
        pytest.param(
            {"type": "api_error", "message": "Oh"}, "api_error", "Oh", id="nested once only"
        ),
        pytest.param(
            {"error": {"type": "a_new_error", "message": "x", "details": {"y": 1}}},
            "a_new_error",
            "x",
            id="an unknown type",
        ),
        pytest.param({"error": {"type": None, "message": None}}, "unknown_error", "", id="nulls"),
        pytest.param({"error": {}}, "unknown_error", "", id="empty"),
        pytest.param({}, "unknown_error", "", id="nothing"),
        pytest.param(None, "unknown_error", "", id="null"),
        pytest.param("boom", "unknown_error", "boom", id="text"),
        pytest.param([1, 2], "unknown_error", "[1, 2]", id="list"),
        pytest.param(
            {"error": {"type": "x", "message": "cut \ud83d here"}},
            "x",
            "cut ? here",
            id="surrogate",
        ),
        pytest.param({"error": {"type": "x", "message": {"a": 1}}}, "x", "{'a': 1}", id="object"),
    ],
)
def test_the_inner_error_counts_whatever_its_shape(error: object, kind: str, message: str) -> None:
    found = decode(errored(error))
    assert (found.outcome, found.error_type, found.error_message) == ("errored", kind, message)


def test_a_long_error_is_cut() -> None:
    found = decode(errored({"error": {"type": "t" * 500, "message": "m" * 5000}}))
    assert (len(found.error_type or ""), len(found.error_message or "")) == (100, 2000)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no keys"),
        pytest.param(b"<html><body>502 Bad Gateway</body></html>", id="HTML"),
        pytest.param(succeeded()[:40], id="cut"),
        pytest.param(succeeded() + b"}", id="too long"),
        pytest.param(b"\x00\x01\x02", id="binary"),
        pytest.param(b'{"result":{"type":"canceled"}}', id="no custom_id"),
        pytest.param(b'{"custom_id":7,"result":{"type":"canceled"}}', id="number as id"),
        pytest.param(b'{"custom_id":"a","result":null}', id="no result"),
        pytest.param(b'{"custom_id":"a","result":{"kind":"canceled"}}', id="no type"),
        pytest.param(b'{"custom_id":"a","result":{"type":7}}', id="number as type"),
        pytest.param(b'{"custom_id":"a","result":{"type":"succeeded"}}', id="no message"),
        pytest.param(
            b'{"custom_id":"a","result":{"type":"succeeded","message":null}}', id="null message"
        ),
        pytest.param(errored(0).replace(b": 0", b": " + b"[" * 100_000), id="deep and open"),
    ],
)
def test_lines_that_are_not_results_are_recognised(line: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(line)


def without_usage() -> bytes:
    return succeeded().replace(b'"usage"', b'"usages"')


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(succeeded(usage=None), id="null usage"),
        pytest.param(without_usage(), id="no usage"),
        pytest.param(succeeded(usage=[1, 2]), id="list as usage"),
        pytest.param(succeeded(usage={"input_tokens": 1}), id="half a usage"),
        pytest.param(succeeded(model=None), id="null model"),
        pytest.param(succeeded(model={"id": "x"}), id="object as model"),
        pytest.param(with_usage(input_tokens=-1), id="negative"),
        pytest.param(with_usage(input_tokens=50.0), id="float"),
        pytest.param(with_usage(output_tokens=None), id="null"),
        pytest.param(with_usage(output_tokens="7"), id="text"),
        pytest.param(with_usage(output_tokens=True), id="bool"),
        pytest.param(with_usage(output_tokens=MOST_TOKENS + 1), id="more than can be paid"),
        pytest.param(with_usage(output_tokens=(1 << 53) + 1), id="past 2^53"),
        pytest.param(
            with_usage(output_tokens=7).replace(b'": 7', b'": ' + b"7" * 5000),
            id="more digits than Python reads",
        ),
        pytest.param(with_usage(output_tokens=float("nan")), id="NaN"),
        pytest.param(with_usage(cache_read_input_tokens=-1), id="negative reads"),
        pytest.param(with_usage(cache_creation=[]), id="list as cache writes"),
    ],
)
def test_an_answer_whose_usage_cannot_be_known_is_an_answer(line: bytes) -> None:
    found = decode(line)
    assert (found.outcome, found.usage) == (Outcome.SUCCEEDED, Usage(unknown=found.usage.unknown))
    assert found.usage.unknown
    assert found.usage.unknown.isprintable()
    assert message_of(line) is not None


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b'"stop_reason": 5', id="number as stop reason"),
        pytest.param(b'"stop_reason": {"a": "b"}', id="object as stop reason"),
        pytest.param(b'"stop_reason": null, "x": NaN', id="NaN"),
        pytest.param(b'"stop_reason": null, "x": -Infinity', id="infinity"),
        pytest.param(b'"stop_reason": null, "x": [1e999, NaN]', id="out of range"),
        pytest.param(b'"stop_reason": null, "x": ' + b"[" * 5000 + b"]" * 5000, id="deep lists"),
        pytest.param(
            b'"stop_reason": null, "x": ' + b'{"]":' * 5000 + b'"}\\""' + b"}" * 5000,
            id="deep objects",
        ),
    ],
)
def test_odd_fields_beside_the_usage_leave_it_known(field: bytes) -> None:
    line = succeeded(stop_reason="HERE").replace(b'"stop_reason": "HERE"', field)
    found = decode(line)
    assert (found.outcome, found.usage) == (
        Outcome.SUCCEEDED,
        Usage(input_tokens=11, output_tokens=7),
    )
    assert found.stop_reason is None
    message = message_of(line)
    assert message is not None
    assert json.loads(json.dumps(message, allow_nan=False)) == message


def test_a_value_that_is_nested_too_deep_is_given_as_its_text() -> None:
    deep = "[" * 5000 + '"]"' + "]" * 5000
    line = succeeded(x="HERE", y=[1]).replace(b'"HERE"', deep.encode())
    message: Any = message_of(line)
    value, depth = message["x"], 0
    while isinstance(value, list):
        (value,) = value  # pyright: ignore[reportUnknownVariableType]
        depth += 1
    assert "[" * depth + str(value) + "]" * depth == deep  # pyright: ignore[reportUnknownArgumentType]
    assert message["y"] == [1]


def test_an_answer_of_an_unknown_type_is_an_answer_and_a_type_without_one_is_an_error() -> None:
    line = succeeded().replace(b'"type": "succeeded"', b'"type": "partly"')
    assert decode(line).outcome == Outcome.SUCCEEDED
    found = decode(b'{"custom_id":"a","result":{"type":"vanished"}}')
    assert (found.outcome, found.error_type) == (Outcome.ERRORED, "unknown_result_type")
    assert "'vanished'" in (found.error_message or "")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"custom_id":"a","result":{"type":"errored"}}', id="no error"),
        pytest.param(
            errored(0).replace(b": 0", b": " + b"[" * 100_000 + b"]" * 100_000), id="deep error"
        ),
    ],
)
def test_an_error_is_one_whatever_it_says(line: bytes) -> None:
    assert decode(line).outcome == Outcome.ERRORED


def test_the_most_that_passes_can_be_summed_over_a_whole_batch() -> None:
    usage = decode(with_usage(output_tokens=MOST_TOKENS)).usage
    assert usage.output_tokens == MOST_TOKENS
    kinds_and_iterations, most_nano_dollars_a_token = 6, 80_000
    tokens = kinds_and_iterations * MOST_TOKENS * most_nano_dollars_a_token
    assert (tokens + MOST_SEARCHES * 10_000_000) * 100_000 < 1 << 63


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'[{"type":"text","text":"cut \\ud83d"}]', id="half a pair"),
        pytest.param(b'[{"type":"text","text":"\\udc00\\ud800"}]', id="wrong order"),
        pytest.param(b'[{"type":"text","text":"\\u0000"}]', id="NUL"),
        pytest.param(b'[{"type":"text","text":"\xff\xfe"}]', id="no UTF-8"),
        pytest.param(b'[{"type":"text","text":"\xed\xa0\x80"}]', id="surrogate as bytes"),
        pytest.param(b"[1e999, 123456789012345678901234567890]", id="numbers out of range"),
        pytest.param(b"[" * 400 + b"]" * 400, id="deep"),
    ],
)
def test_an_answer_with_odd_content_is_still_an_answer(content: bytes) -> None:
    line = succeeded(content="HERE").replace(b'"HERE"', content)
    found = decode(line)
    assert found.outcome == Outcome.SUCCEEDED
    assert found.usage == Usage(input_tokens=11, output_tokens=7)
    message = message_of(line)
    assert message is not None
    assert message["model"] == "claude-haiku-4-5-20251001"
    msgspec.json.encode(message)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"a\\u0000b"'])
def test_unusual_values_of_the_api_can_be_stored(text: bytes) -> None:
    line = succeeded(stop_reason="HERE").replace(b'"HERE"', text)
    assert (decode(line).stop_reason or "").encode()


def test_the_callers_id_takes_the_place_of_the_wires() -> None:
    line = b'{"custom_id":"a-k3x9q2ab","result":{"type":"canceled"} }'
    expected = b'{"custom_id":"a","result":{"type":"canceled"} }'
    assert with_custom_id(line, "a-k3x9q2ab", "a") == expected


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{ "custom_id" : "w", "result": {"type":"canceled"}}', id="spaces"),
        pytest.param(b'{"result":{"type":"canceled"},"custom_id":"w"}', id="last"),
        pytest.param(b'{"custom_id":"x","custom_id":"w","result":{"type":"canceled"}}', id="twice"),
        pytest.param(b'{"custom_id":"\\u0077","result":{"type":"canceled"}}', id="escaped"),
        pytest.param(
            b'{"z":"\\ud800","custom_id":"w","result":{"type":"canceled"}}', id="half a pair"
        ),
    ],
)
def test_the_callers_id_is_put_in_wherever_the_wires_stood(line: bytes) -> None:
    wire_id = decode(line).custom_id
    assert wire_id == "w"
    changed = with_custom_id(line, wire_id, "mine")
    assert decode(changed).custom_id == "mine"
    assert decode(changed).outcome == Outcome.CANCELED
    assert b"\n" not in changed


@given(line=st.binary(max_size=300))
def test_no_bytes_do_anything_but_decode_or_be_bad(line: bytes) -> None:
    try:
        decode(line)
    except BadLineError:
        return


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(message=JSON, error=JSON)
def test_no_json_does_anything_but_decode_or_be_bad(message: Any, error: Any) -> None:
    for result in (
        {"type": "succeeded", "message": message},
        {"type": "errored", "error": error},
        {"type": "errored", "error": {"type": "error", "error": error}},
    ):
        line = json.dumps({"custom_id": "a", "result": result}).encode()
        try:
            found = decode(line)
        except BadLineError:
            continue
        (found.error_message or "").encode()


@pytest.mark.parametrize(
    ("split", "five_minutes", "one_hour"),
    [
        ({}, 100, 0),
        (None, 100, 0),
        ({"ephemeral_1h_input_tokens": 30}, 70, 30),
        ({"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40}, 60, 40),
        ({"ephemeral_5m_input_tokens": 120}, 120, 0),
    ],
)
def test_no_token_that_was_written_to_the_cache_is_left_out(
    split: dict[str, int] | None, five_minutes: int, one_hour: int
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 100}
    found = usage_of(usage | {"cache_creation": split}, "claude-haiku-4-5")
    assert (found.cache_write_5m_tokens, found.cache_write_1h_tokens) == (five_minutes, one_hour)
