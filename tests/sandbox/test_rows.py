"""Rows that fail alone, in the words seen on the real API."""

from typing import Any

import pytest
from support.api.sandbox_client import BATCHES, a_desk, a_params

INVALID = "invalid_request_error"
IMAGE = "messages.0.content.0.image.source.base64.data"


def an_image(**source: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "image", "source": source}]}]


def the_error(params: Any, **headers: Any) -> Any:
    desk = a_desk()
    body = {
        "requests": [
            {"custom_id": "bad", "params": params},
            {"custom_id": "good", "params": a_params()},
        ]
    }
    made = desk.json("POST", BATCHES, body, **headers)
    lines = desk.lines(made["id"])
    assert lines["good"]["type"] == "succeeded"
    return lines["bad"].get("error")


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"messages": ...}, INVALID, "messages: Field required", id="no messages"),
        pytest.param({"model": ...}, INVALID, "model: Field required", id="no model"),
        pytest.param(
            {"max_tokens": ...}, INVALID, "max_tokens: Field required", id="no max_tokens"
        ),
        pytest.param(
            {"messages": []}, INVALID, "messages: at least one message is required", id="empty"
        ),
        pytest.param(
            {"model": "claude-does-not-exist-9"},
            "not_found_error",
            "model: claude-does-not-exist-9",
            id="unknown model",
        ),
        pytest.param(
            {"model": "claude-haiku-4-5-20260101"},
            "not_found_error",
            "model: claude-haiku-4-5-20260101",
            id="guessed date",
        ),
        pytest.param(
            {"max_tokens": 100000},
            INVALID,
            "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for"
            " claude-haiku-4-5-20251001",
            id="over the ceiling",
        ),
        pytest.param(
            {"max_tokens": 0}, INVALID, "max_tokens: must be greater than or equal to 1", id="zero"
        ),
        pytest.param(
            {"stream": True},
            INVALID,
            '"stream=True" is not supported in the Message Batches API',
            id="stream",
        ),
        pytest.param(
            {"speed": "fast"},
            INVALID,
            '"speed" is not supported in the Message Batches API',
            id="speed",
        ),
        pytest.param(
            {"model": "claude-opus-5", "thinking": {"type": "enabled", "budget_tokens": 2000}},
            INVALID,
            '"thinking.type.enabled" is not supported for this model. Use'
            ' "thinking.type.adaptive" and "output_config.effort"',
            id="thinking budget",
        ),
        pytest.param(
            {"tools": [{"type": "web_fetch_20250910", "name": "f", "_requestedType": "x"}]},
            INVALID,
            "tools.0.web_fetch_20250910._requestedType: Extra inputs are not permitted",
            id="unknown tool key",
        ),
        pytest.param(
            {"temperature": 0.5},
            INVALID,
            "temperature: Extra inputs are not permitted",
            id="removed",
        ),
        pytest.param({"foo": 1}, INVALID, "foo: Extra inputs are not permitted", id="unknown key"),
        pytest.param(
            {
                "messages": an_image(
                    type="base64", media_type="image/png", data="aGVsbG8gd29ybGQhISE="
                )
            },
            INVALID,
            f"{IMAGE}: The file format is invalid or unsupported",
            id="no image",
        ),
        pytest.param(
            {"model": "claude-opus-5", "messages": [{"role": "assistant", "content": "So"}]},
            INVALID,
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message.",
            id="prefill",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
            INVALID,
            "messages: text content blocks must be non-empty",
            id="empty text",
        ),
        pytest.param(
            {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5},
            INVALID,
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
            id="breakpoints",
        ),
    ],
)
def test_a_bad_row_fails_alone(changes: dict[str, Any], kind: str, message: str) -> None:
    assert the_error(a_params(**changes)) == {
        "type": "error",
        "error": {
            "details": {"error_visibility": "user_facing"},
            "type": kind,
            "message": message,
        },
        "request_id": None,
    }


def test_an_image_that_cannot_be_fetched_fails_at_run_time() -> None:
    error = the_error(a_params(messages=an_image(type="url", url="https://nowhere.invalid/x.png")))
    text = "Unable to download the file. Please verify the URL and try again."
    assert error["error"]["message"] == text
    assert error["request_id"].startswith("workerreq_01")


def test_sampling_parameters_are_fine_under_the_old_version() -> None:
    assert the_error(a_params(temperature=0.5), anthropic_version="2023-06-01") is None


@pytest.mark.parametrize(
    ("model", "errored"), [("claude-opus-5-5", False), ("claude-fable-5", True)]
)
def test_the_long_output_beta_raises_the_ceiling_of_its_models(model: str, errored: bool) -> None:
    params = a_params(model=model, max_tokens=300_000)
    error = the_error(params, anthropic_beta="output-300k-2026-03-24")
    assert (error is not None) is errored
    assert the_error(params) is not None
