"""The answers have the fields, types and headers that recordings of the real API show."""

import json
from typing import Any, cast

import pytest
from sandbox.compare_recordings import Replay, Report
from support.api.sandbox_client import BATCHES, a_desk

from titan_console.sandbox.model.timing import Plan

BATCH = {
    "id": "str",
    "type": "str",
    "processing_status": "str",
    "request_counts": {
        "processing": "int",
        "succeeded": "int",
        "errored": "int",
        "canceled": "int",
        "expired": "int",
    },
    "ended_at": "null",
    "created_at": "str",
    "expires_at": "str",
    "archived_at": "null",
    "cancel_initiated_at": "null",
    "results_url": "null",
}
USAGE = {
    "input_tokens": "int",
    "cache_creation_input_tokens": "int",
    "cache_read_input_tokens": "int",
    "cache_creation": {"ephemeral_5m_input_tokens": "int", "ephemeral_1h_input_tokens": "int"},
    "output_tokens": "int",
    "service_tier": "str",
    "inference_geo": "str",
}
MESSAGE = {
    "model": "str",
    "id": "str",
    "type": "str",
    "role": "str",
    "content": [{"type": "str", "text": "str"}],
    "stop_reason": "str",
    "stop_sequence": "null",
    "stop_details": "null",
    "usage": USAGE,
}
ERROR = {"details": {"error_visibility": "str"}, "type": "str", "message": "str"}
RESULTS = {
    "a": {"type": "str", "message": MESSAGE},
    "b": {"type": "str", "error": {"type": "str", "error": ERROR, "request_id": "str"}},
    "c": {"type": "str"},
    "d": {"type": "str"},
}
EVERY_ANSWER = {
    "anthropic-organization-id",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-workspace-id",
    "content-security-policy",
    "content-type",
    "request-id",
    "server-timing",
    "strict-transport-security",
    "vary",
    "x-robots-tag",
}
NO_MORE: set[str] = set()


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(part) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [shape(part) for part in cast("list[Any]", value)]
    return "null" if value is None else type(value).__name__


@pytest.mark.parametrize(
    ("method", "tail", "ended", "more"),
    [
        pytest.param("GET", "", False, {"retry-after"}, id="unfinished"),
        pytest.param("GET", "", True, NO_MORE, id="ended"),
        pytest.param("POST", "/cancel", False, NO_MORE, id="cancel"),
        pytest.param("GET", "/results", True, {"content-disposition"}, id="results"),
        pytest.param("GET", "/results", False, {"x-should-retry"}, id="no results yet"),
        pytest.param("DELETE", "", True, NO_MORE, id="delete"),
        pytest.param("DELETE", "", False, {"x-should-retry"}, id="delete too early"),
    ],
)
def test_each_answer_has_its_headers(method: str, tail: str, ended: bool, more: set[str]) -> None:
    desk = a_desk(plan=Plan.manual(cancel=60))
    batch_id = desk.create()
    if ended:
        desk.sandbox.end(batch_id)
    answer = desk.call(method, f"{BATCHES}/{batch_id}{tail}")
    assert set(answer.headers) == EVERY_ANSWER | more
    jsonl = tail == "/results" and ended
    kind = "application/x-jsonl" if jsonl else "application/json"
    assert answer.headers["content-type"] == kind


def test_a_batch_has_its_shape_in_every_state() -> None:
    desk = a_desk(plan=Plan.manual(cancel=60))
    batch_id = desk.create()
    assert shape(desk.retrieve(batch_id)) == BATCH
    canceling = desk.json("POST", f"{BATCHES}/{batch_id}/cancel")
    assert shape(canceling) == BATCH | {"cancel_initiated_at": "str"}
    desk.clock.advance(60)
    ended = {"cancel_initiated_at": "str", "ended_at": "str", "results_url": "str"}
    assert shape(desk.retrieve(batch_id)) == BATCH | ended


def test_a_result_line_has_its_shape_for_every_outcome() -> None:
    desk = a_desk(plan=Plan.manual())
    batch_id = desk.create("a", "b", "c", "d")
    desk.sandbox.end(batch_id, {"b": "errored", "c": "expired", "d": "canceled"})
    assert shape(desk.lines(batch_id)) == RESULTS


def test_an_error_has_its_shape() -> None:
    told = a_desk().json("GET", f"{BATCHES}/msgbatch_none")
    assert shape(told) == {
        "type": "str",
        "error": {"type": "str", "message": "str"},
        "request_id": "str",
    }


def a_recording(batch: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": "GET",
        "path": f"{BATCHES}/{batch['id']}",
        "headers": {},
        "body": "",
    }
    headers = {"Content-Type": "application/json", "Request-Id": "req_1", "X-Robots-Tag": "none"}
    headers["Retry-After"] = "10"
    response = {"status": 200, "headers": headers, "body": json.dumps(batch)}
    return {"interactions": [{"request": request, "response": response}]}


@pytest.mark.parametrize(
    ("changes", "differences"), [({}, 0), ({"archived_at": "x", "more": 1}, 2)]
)
def test_the_comparison_with_recordings_sees_a_difference(
    changes: dict[str, Any], differences: int
) -> None:
    desk = a_desk(plan=Plan.manual())
    report = Report()
    recorded = desk.retrieve(desk.create()) | changes
    Replay("one", a_recording(recorded), report).run()
    differing = [line for line in report.differences if "keys in another order" not in line]
    assert len(differing) == differences, report.differences
