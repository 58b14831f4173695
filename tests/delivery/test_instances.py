"""A result has the instance of its answer, or says why it has none."""

import json
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from support.processes.terminal import a_server

import titan_batch
from core.bootstrap import open_engine
from core.commands import follow_ups
from core.config.settings import from_environment
from core.delivery.instances import with_output
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan


class Score(pydantic.BaseModel):
    n: int = pydantic.Field(ge=0)

    @pydantic.field_validator("n")
    @classmethod
    def is_even(cls, n: int) -> int:
        """What no JSON Schema can say."""
        if n % 2:
            raise ValueError("must be even")
        return n


def a_result(text: str | None, stop: str = "end_turn", invalid: str | None = None) -> Any:
    content = [{"type": "tool_use"}] if text is None else [{"type": "text", "text": text}]
    return {"message": {"content": content, "stop_reason": stop}, "invalid": invalid}


@pytest.mark.parametrize(
    ("result", "output", "invalid"),
    [
        (a_result('{"n": 2}'), Score(n=2), None),
        (a_result('{"n": 3}'), None, "/n: Value error, must be even"),
        (a_result('{"n": -2}', invalid="/n: too small"), None, "/n: too small"),
        (a_result('{"n":', "max_tokens"), None, None),
        (a_result("no", "refusal"), None, None),
        ({"message": None, "invalid": None}, None, None),
    ],
)
def test_an_instance_or_why_there_is_none(result: Any, output: Any, invalid: str | None) -> None:
    found = with_output(result, Score)
    assert (found["output"], found["invalid"]) == (output, invalid)
    assert found["message"] is result["message"]


def test_what_is_not_json_has_no_instance() -> None:
    for text in ("Sure!", "", None):
        found = with_output(a_result(text), Score)
        assert found["output"] is None
        assert found["invalid"]


@pytest.fixture
def sandbox(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with a_server(Plan.instant()) as (sandbox, address):
        monkeypatch.setenv("TITAN_HOME", str(tmp_path))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        yield sandbox


def test_a_job_gets_instances_after_an_invalid_answer_was_asked_for_again(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add("row:wrong-output:id=a-2-*")
    requests = [
        {"custom_id": f"a-{n}", "max_tokens": 64, "messages": [{"role": "user", "content": "n?"}]}
        for n in range(1, 9)
    ]
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    key = titan_batch.submit(requests, tag="scores", output=schema, reask=1)
    assert titan_batch.poll_and_collect(key, output=schema) is None
    sandbox.faults.clear()
    titan_batch.poll_and_collect(key)
    found = titan_batch.poll_and_collect(key, output=schema)
    assert found is not None
    assert [one["invalid"] for one in found] == [None] * 8
    assert all(one["output"] == json.loads(one["text"]) for one in found)
    assert "output" not in (titan_batch.poll_and_collect(key) or [])[0]


def _killed(*_args: object) -> list[str]:
    """The poll ends before it asks again."""
    return []


def test_an_answer_that_a_killed_poll_did_not_ask_for_again_is_not_the_result(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add("row:wrong-output:nth=1")
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    content = [{"role": "user", "content": "n?"}]
    requests = [{"custom_id": f"a-{n}", "max_tokens": 64, "messages": content} for n in range(8)]
    key = titan_batch.submit(requests, tag="scores", output=schema, reask=1)
    with (
        pytest.MonkeyPatch.context() as killed,
        open_engine(from_environment(), actor="killed") as engine,
    ):
        killed.setattr(follow_ups, "follow_up", _killed)
        engine.poll()
        assert engine.is_finished(key)
    sandbox.faults.clear()
    assert titan_batch.poll_and_collect(key) is None
    titan_batch.poll_and_collect(key)
    found = titan_batch.poll_and_collect(key)
    assert [one["invalid"] for one in found or []] == [None] * 8
