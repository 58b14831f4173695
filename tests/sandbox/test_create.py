"""What a create accepts, and the words in which it refuses."""

import json
from typing import Any

import pytest
from support.api.sandbox_client import BATCHES, a_desk, a_params, a_request, create_body

PATTERN = "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"


def test_a_new_batch_has_exactly_the_ten_keys_in_the_apis_order() -> None:
    made = a_desk().json("POST", BATCHES, create_body(["a", "b"]))
    assert list(made) == [
        "id",
        "type",
        "processing_status",
        "request_counts",
        "ended_at",
        "created_at",
        "expires_at",
        "archived_at",
        "cancel_initiated_at",
        "results_url",
    ]
    assert made["created_at"] == "2026-11-22T09:00:00.000000+00:00"
    assert made["expires_at"] == "2026-11-23T09:00:00.000000+00:00"
    assert made["request_counts"] == {
        "processing": 2,
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    assert len(made["id"]) == len("msgbatch_01") + 22


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            {"requests": []},
            "requests: List should have at least 1 item after validation, not 0",
            id="no requests",
        ),
        pytest.param({}, "requests: Field required", id="no list"),
        pytest.param(
            {"requests": 3}, "requests: Input should be a valid list", id="no list at all"
        ),
        pytest.param(
            create_body(["a"]) | {"name": "x"},
            "name: Extra inputs are not permitted",
            id="unknown key",
        ),
        pytest.param(create_body(["a:b"]), f"requests.0.custom_id: {PATTERN}", id="characters"),
        pytest.param(create_body(["ok", ""]), f"requests.1.custom_id: {PATTERN}", id="empty id"),
        pytest.param(create_body(["a\n"]), f"requests.0.custom_id: {PATTERN}", id="line end"),
        pytest.param(
            create_body(["a" * 65]),
            "requests.0.custom_id: String should have at most 64 characters",
            id="too long",
        ),
        pytest.param(
            {"requests": [{"params": a_params()}]},
            "requests.0.custom_id: Field required",
            id="no id",
        ),
        pytest.param(
            {"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required", id="no params"
        ),
        pytest.param(
            {"requests": [{"custom_id": "a", "params": "x"}]},
            "requests.0.params: Input should be a valid dictionary",
            id="params of another type",
        ),
        pytest.param(
            {"requests": [a_request(), {"custom_id": 7, "params": a_params()}]},
            "requests.1.custom_id: Input should be a valid string",
            id="number as id",
        ),
        pytest.param(
            create_body(["dup", "x", "dup"]),
            "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
            id="duplicate",
        ),
    ],
)
def test_a_bad_create_is_refused_as_a_whole(body: Any, message: str) -> None:
    desk = a_desk()
    answer = desk.call("POST", BATCHES, body)
    told = json.loads(answer.read())
    assert answer.status == 400
    assert told["error"] == {"type": "invalid_request_error", "message": message}
    assert told["request_id"] == answer.headers["request-id"]
    assert desk.json("GET", BATCHES)["data"] == []
    assert desk.sandbox.billing_log().creates == 1


def test_a_body_that_is_not_json_is_rejected() -> None:
    told = a_desk().json("POST", BATCHES, b'{"requests": [')
    assert told["error"]["message"].startswith("The request body is not valid JSON: ")


def test_an_oversized_body_is_refused_by_the_edge_without_an_envelope() -> None:
    answer = a_desk().call("POST", BATCHES, b"x" * 256_000_001)
    assert answer.status == 413
    assert json.loads(answer.read()) == {
        "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}
    }


def test_empty_params_are_accepted_and_fail_later() -> None:
    desk = a_desk()
    made = desk.json("POST", BATCHES, {"requests": [{"custom_id": "a", "params": {}}]})
    assert made["processing_status"] == "in_progress"
    assert desk.lines(made["id"])["a"]["type"] == "errored"


def test_too_many_requests_are_refused() -> None:
    one = '{"custom_id":"%d","params":{}}'
    body = f'{{"requests":[{",".join(one % n for n in range(100_001))}]}}'.encode()
    told = a_desk().json("POST", BATCHES, body)
    assert "at most 100000 items" in told["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        pytest.param({"x_api_key": "nobody"}, 401, "API key is invalid.", id="unknown key"),
        pytest.param({"x_api_key": ""}, 401, "x-api-key header is required", id="no key"),
        pytest.param(
            {"anthropic_version": ""}, 400, "anthropic-version: header is required", id="no version"
        ),
        pytest.param(
            {"anthropic_version": "1999-01-01"},
            400,
            'anthropic-version: "1999-01-01" is not a valid version',
            id="bad version",
        ),
    ],
)
def test_bad_headers_are_refused(headers: dict[str, Any], status: int, message: str) -> None:
    answer = a_desk(keys={"k": "main"}).call("GET", BATCHES, **headers)
    assert answer.status == status
    assert json.loads(answer.read())["error"]["message"] == message


def test_an_unknown_beta_is_refused_and_a_known_one_taken() -> None:
    desk = a_desk()
    bad = desk.json("GET", BATCHES, anthropic_beta="output-300k-2026-03-24, x-1")
    assert bad["error"]["message"].startswith(
        "Unexpected value(s) `x-1` for the `anthropic-beta` header."
    )
    assert desk.call("GET", BATCHES, anthropic_beta="message-batches-2024-09-24").status == 200


def test_another_organization_does_not_learn_the_workspace() -> None:
    desk = a_desk(keys={"k": "main"})
    known = desk.call("GET", BATCHES).headers
    unknown = desk.call("GET", BATCHES, x_api_key="nobody").headers
    assert {"anthropic-workspace-id", "anthropic-organization-id"} <= known.keys()
    assert "anthropic-workspace-id" not in unknown


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_both_versions_and_both_ways_to_send_a_key_work(version: str) -> None:
    desk = a_desk(keys={"k": "main"})
    answer = desk.call(
        "GET",
        BATCHES,
        query={"beta": "true"},
        x_api_key="",
        authorization="Bearer k",
        anthropic_version=version,
    )
    assert answer.status == 200


def test_another_workspace_sees_nothing() -> None:
    desk = a_desk(keys={"k": "main", "other": "elsewhere"})
    batch_id = desk.create("a")
    assert desk.json("GET", BATCHES, x_api_key="other")["data"] == []
    told = desk.retrieve(batch_id, x_api_key="other")
    assert told["error"] == {
        "type": "not_found_error",
        "message": f"Message Batch {batch_id} not found.",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nope", 404), ("PUT", BATCHES, 405)]
)
def test_unknown_calls_are_envelopes_too(method: str, path: str, status: int) -> None:
    answer = a_desk().call(method, path)
    assert answer.status == status
    assert json.loads(answer.read())["type"] == "error"
