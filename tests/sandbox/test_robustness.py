"""Whatever a client sends, the sandbox answers, and its results can be read."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.api.sandbox_client import BATCHES, HAIKU, a_desk, a_params

WORDS = """
model messages max_tokens system tools tool_choice thinking output_config format schema type
properties items enum anyOf minimum role content text source data url cache_control ttl stream
speed temperature name input_schema any tool custom image base64 user assistant json_schema
"""
NAMES = st.sampled_from(WORDS.split())
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES | st.text()
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)
)
ODD = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@ODD
@given(changes=st.dictionaries(NAMES, JSON, max_size=4))
def test_any_params_come_back_as_one_line(changes: dict[str, Any]) -> None:
    desk = a_desk()
    params = a_params() | changes
    made = desk.json("POST", BATCHES, {"requests": [{"custom_id": "a", "params": params}]})
    if "error" not in made:
        assert desk.lines(made["id"])["a"]["type"] in {"succeeded", "errored"}
    answer = desk.call("POST", "/v1/messages", {**params, "model": HAIKU})
    assert answer.status in {200, 400, 404}
    answer.read()


@ODD
@given(body=JSON)
def test_any_body_is_answered(body: Any) -> None:
    desk = a_desk()
    assert desk.call("POST", BATCHES, json.dumps(body).encode()).status == 400
    assert desk.call("POST", "/v1/messages", json.dumps(body).encode()).status in {400, 404}


@ODD
@given(body=st.binary())
def test_any_bytes_are_answered(body: bytes) -> None:
    whole = b'{"requests":[{"custom_id":"a","params":{"model":"%b"}}]}' % body
    assert a_desk().call("POST", BATCHES, body).status == 400
    assert a_desk().call("POST", BATCHES, whole).status in {200, 400}
