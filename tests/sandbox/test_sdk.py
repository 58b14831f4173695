"""The real SDK runs on the sandbox without noticing."""

from collections.abc import Callable
from typing import Any, cast

import anthropic
import pytest
from anthropic.types import Message
from sandbox import sdk_batch_calls
from support.api.sandbox_client import HAIKU, a_desk, a_params, create_body

from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan


def requests(*custom_ids: str) -> Any:
    return create_body(custom_ids)["requests"]


@pytest.fixture(params=["messages", "beta"])
def space(request: pytest.FixtureRequest) -> str:
    return request.param


def batches_of(sdk: anthropic.Anthropic, space: str) -> Any:
    return sdk.beta.messages.batches if space == "beta" else sdk.messages.batches


def test_a_batch_lives_its_life(space: str) -> None:
    desk = a_desk(plan=Plan.seconds(60, 60))
    batches = batches_of(desk.sdk(), space)
    made = batches.create(requests=requests("a", "b"))
    assert made.processing_status == "in_progress"
    assert made._request_id.startswith("req_01")
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        batches.results(made.id)
    desk.clock.advance(60)
    assert batches.retrieve(made.id).processing_status == "ended"
    results = {line.custom_id: line.result for line in batches.results(made.id)}
    assert set(results) == {"a", "b"}
    assert results["a"].message.model == "claude-haiku-4-5-20251001"
    assert results["a"].message.usage.service_tier == "batch"
    assert batches.delete(made.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(made.id)


def test_a_cancel_is_seen(space: str) -> None:
    desk = a_desk(plan=Plan.manual(cancel=25))
    batches = batches_of(desk.sdk(), space)
    made = batches.create(requests=requests("a"))
    assert batches.cancel(made.id).processing_status == "canceling"
    desk.clock.advance(25)
    assert [line.result.type for line in batches.results(made.id)] == ["canceled"]


def test_lists_page_in_both_directions(space: str) -> None:
    desk = a_desk()
    batches = batches_of(desk.sdk(), space)
    made = [batches.create(requests=requests("a")).id for _ in range(7)]
    assert [batch.id for batch in batches.list(limit=3)] == made[::-1]
    assert [batch.id for batch in batches.list(limit=2, after_id=made[4])] == made[3::-1]
    newer = [batch.id for batch in batches.list(limit=2, before_id=made[0])]
    assert sorted(newer) == sorted(made[1:])
    assert newer[:2] == [made[2], made[1]]


def test_betas_reach_the_rows() -> None:
    desk = a_desk()
    batches = desk.sdk().beta.messages.batches
    params: Any = a_params(model="claude-opus-5-5", max_tokens=300_000)
    made = batches.create(
        requests=[{"custom_id": "a", "params": params}], betas=["output-300k-2026-03-24"]
    )
    assert [line.result.type for line in batches.results(made.id)] == ["succeeded"]


def test_results_can_be_read_as_a_stream_of_bytes() -> None:
    desk = a_desk()
    sdk = desk.sdk()
    batch_id = desk.create(*(f"r-{n}" for n in range(2000)))
    with sdk.messages.batches.with_streaming_response.results(batch_id) as answer:
        blocks = list(answer.iter_bytes())
        assert answer.headers["content-type"] == "application/x-jsonl"
    assert b"".join(blocks).count(b"\n") == 2000
    assert len(blocks) > 5


def test_a_wrong_key_is_reported() -> None:
    desk = a_desk(keys={"good": "main"})
    with pytest.raises(anthropic.AuthenticationError, match=r"API key is invalid\."):
        desk.sdk("bad").messages.batches.list()
    assert desk.sdk("good").messages.batches.list().data == []


def test_the_default_retries_make_three_batches_of_one_lost_answer() -> None:
    desk = a_desk("create:500-after:retry=0.001")
    with pytest.raises(anthropic.InternalServerError):
        desk.sdk().with_options(max_retries=2).messages.batches.create(requests=requests("a"))
    assert desk.sandbox.billing_log().creates == 3


def test_a_message_is_answered_and_billed() -> None:
    desk = a_desk()
    sdk = desk.sdk()
    question: Any = [{"role": "user", "content": "Why is the sea salty?"}]
    answer = sdk.messages.create(model=HAIKU, max_tokens=200, messages=question)
    assert answer.usage.service_tier == "standard"
    assert answer.stop_reason == "end_turn"
    again = sdk.messages.create(model=HAIKU, max_tokens=200, messages=question)
    assert again.content == answer.content
    assert again.id != answer.id
    assert [row.batch_id for row in desk.sandbox.billing_log().billed("default")] == [None, None]


def test_every_call_of_the_sdk_works_plain_raw_streaming_and_async(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = sdk_batch_calls.main([])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert printed.endswith("124 calls, 0 failed\n")


def test_the_script_for_the_sdk_sees_a_wrong_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk_batch_calls, "WAYS", ("plain",))
    with running(a_desk("cancel:garbage").sandbox) as base_url:
        assert sdk_batch_calls.main([base_url]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 4
    assert all(line.endswith("cancel") for line in failed)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"model": "claude-nope"}, anthropic.NotFoundError),
        ({"max_tokens": 70_000, "stream": True}, anthropic.BadRequestError),
        ({"messages": []}, anthropic.BadRequestError),
    ],
)
def test_a_bad_message_fails_at_once(changes: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        a_desk().sdk().messages.create(**a_params(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000},
        {
            "tools": [{"name": "save", "input_schema": {"properties": {"n": {"type": "integer"}}}}],
            "tool_choice": {"type": "tool", "name": "save"},
        },
    ],
    ids=["text", "thinking", "tool"],
)
def test_a_streamed_message_adds_up_to_the_whole_one(changes: Any) -> None:
    sdk = a_desk().sdk()
    create = cast("Callable[..., Message]", sdk.messages.create)
    whole = create(**a_params(**changes))
    with sdk.messages.stream(**a_params(**changes)) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert streamed.model_dump(include={"stop_reason"}) == whole.model_dump(include={"stop_reason"})
    assert [block.type for block in streamed.content] == [block.type for block in whole.content]
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


def test_the_models_are_listed_page_by_page() -> None:
    sdk = a_desk().sdk()
    ids = [model.id for model in sdk.models.list(limit=5)]
    assert len(ids) == len(set(ids)) > 15
    back = list(sdk.models.list(limit=5, before_id=ids[7]))
    assert {model.id for model in back} == set(ids[:7])
    assert sdk.models.retrieve(HAIKU).id == "claude-haiku-4-5-20251001"
    with pytest.raises(anthropic.NotFoundError, match="claude-9"):
        sdk.models.retrieve("claude-9")
    with pytest.raises(anthropic.BadRequestError, match="after_id"):
        sdk.models.list(after_id="claude-9")


def test_tokens_are_counted_and_the_request_is_validated() -> None:
    sdk = a_desk().sdk()
    messages: Any = [{"role": "user", "content": "How many tokens are these?"}]
    count = sdk.messages.count_tokens(model=HAIKU, messages=messages).input_tokens
    answer = sdk.messages.create(model=HAIKU, messages=messages, max_tokens=16)
    assert count == answer.usage.input_tokens > 0
    with pytest.raises(anthropic.BadRequestError, match="tool_choice may only be specified"):
        sdk.messages.count_tokens(model=HAIKU, messages=messages, tool_choice={"type": "any"})
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
        sdk.messages.count_tokens(model=HAIKU, messages=messages, extra_body={"max_tokens": 5})
