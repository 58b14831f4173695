"""Answers fit their prompt, come out the same again, and cost what their size says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anthropic.types import Message
from pydantic import TypeAdapter
from support.api.sandbox_client import a_desk, a_params

from titan_console.sandbox.answers.messages import events
from titan_console.sandbox.model.prompt_cache import PromptCache

LONG = "A rule that every request repeats. " * 600


def the_message(custom_id: str = "a", *, seed: int = 0, **params: Any) -> Any:
    desk = a_desk(seed=seed)
    return desk.lines(desk.create(custom_id, **params))[custom_id]["message"]


def the_text(prompt: str, **params: Any) -> str:
    return the_message(text=prompt, **params)["content"][0]["text"]


def test_an_answer_depends_on_seed_id_and_params_and_on_nothing_else() -> None:
    first = the_message()["content"]
    assert the_message()["content"] == first
    others = [the_message("b"), the_message(seed=1), the_message(text="Tell me about ships.")]
    assert all(other["content"] != first for other in others)


def test_prose_echoes_the_question() -> None:
    assert "Tell me about harbours." in the_text("Tell me about harbours.")


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("Classify the message. Answer with one of: spam, ham, unsure", {"spam", "ham", "unsure"}),
        (
            "Classify the review as positive, negative or neutral.",
            {"positive", "negative", "neutral"},
        ),
        ("Choose from [alpha | beta | gamma]", {"alpha", "beta", "gamma"}),
        ('Labels: "late delivery", "damaged", "other"', {"late delivery", "damaged", "other"}),
    ],
)
def test_a_choice_gets_one_of_its_labels(prompt: str, labels: set[str]) -> None:
    assert the_text(prompt) in labels


def test_json_gets_the_keys_that_were_shown() -> None:
    prompt = 'Reply in JSON as {"label": ..., "confidence": ...}, label being one of: red, green'
    value = json.loads(the_text(prompt))
    assert set(value) == {"label", "confidence"}
    assert value["label"] in {"red", "green"}


def test_a_schema_is_kept() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "count": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "open": {"type": ["boolean", "null"]},
            "home": {"$ref": "#/$defs/place"},
        },
        "additionalProperties": False,
        "$defs": {"place": {"type": "array", "items": {"type": "number"}}},
    }
    value = json.loads(
        the_text("Fill it in.", output_config={"format": {"type": "json_schema", "schema": schema}})
    )
    assert value["kind"] in {"a", "b"}
    assert isinstance(value["count"], int)
    assert isinstance(value["home"][0], float)
    assert isinstance(value["tags"][0], str)
    assert isinstance(value["open"], bool)


def test_a_forced_tool_is_used() -> None:
    tool = {
        "name": "save",
        "input_schema": {"type": "object", "properties": {"n": {"type": "number"}}},
    }
    message = the_message(tools=[tool], tool_choice={"type": "tool", "name": "save"})
    [block] = message["content"]
    assert message["stop_reason"] == "tool_use"
    assert (block["type"], block["name"]) == ("tool_use", "save")
    assert isinstance(block["input"]["n"], float)


def test_max_tokens_cuts_the_answer() -> None:
    message = the_message(max_tokens=5)
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 5
    assert len(message["content"][0]["text"]) == 20


def test_input_is_counted_by_its_size() -> None:
    small, large = the_message(text="x" * 400), the_message(text="x" * 4000)
    grown = large["usage"]["input_tokens"] - small["usage"]["input_tokens"]
    assert grown == 900


@pytest.mark.parametrize(("ttl", "field"), [("5m", "5m"), ("1h", "1h")])
def test_the_first_row_writes_the_cache_and_later_rows_read_it(ttl: str, field: str) -> None:
    desk = a_desk()
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": ttl}}]
    lines = desk.lines(desk.create("a", "b", "c", system=system))
    first, *later = (lines[name]["message"]["usage"] for name in "abc")
    size = first["cache_creation_input_tokens"]
    assert size > 4096
    assert first["cache_creation"][f"ephemeral_{field}_input_tokens"] == size
    assert sum(first["cache_creation"].values()) == size
    assert first["cache_read_input_tokens"] == 0
    for usage in later:
        assert usage["cache_read_input_tokens"] == size
        assert usage["cache_creation_input_tokens"] == 0
        assert usage["input_tokens"] < 100


@pytest.mark.parametrize(
    ("behavior", "reads"),
    [
        # Three batches of one prefix: the second within the hour, the third two hours later.
        ("always", [0, 1, 1, 1, 1, 1, 0, 1, 1]),
        ("never", [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("across", [0, 0, 0, 1, 1, 1, 0, 0, 0]),
        ("1", [0, 1, 1, 1, 1, 1, 0, 1, 1]),
        ("0", [0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_the_behavior_of_the_cache_is_a_setting(behavior: str, reads: list[int]) -> None:
    cache = PromptCache.parse(behavior)
    found: list[int] = []
    for minutes in (0, 60, 180):
        call = cache.next_call()
        at = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=minutes)
        found += [cache.reads("p", row, hour=True, call=call, now=at) for row in "abc"]
    assert found == reads


def test_a_rate_is_met_over_many_rows_and_other_texts_are_no_behavior() -> None:
    cache = PromptCache.parse("0.3")
    at = datetime(2026, 11, 22, tzinfo=UTC)
    hits = sum(cache.reads("p", str(n), hour=True, call=1, now=at) for n in range(2000))
    assert 540 < hits < 660
    for wrong in ("sometimes", "1.5", "-0.1", "nan", ""):
        with pytest.raises(ValueError, match="always, never, across"):
            PromptCache.parse(wrong)


def test_a_prefix_under_the_models_minimum_is_not_cached() -> None:
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    usage = the_message(system=system)["usage"]
    assert usage["cache_creation_input_tokens"] == 0
    assert usage["cache_read_input_tokens"] == 0


def test_thinking_comes_first_and_is_counted() -> None:
    message = the_message(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4000)
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    details = message["usage"]["output_tokens_details"]
    assert 0 < details["thinking_tokens"] < message["usage"]["output_tokens"]


def test_results_come_in_another_order_than_they_were_sent() -> None:
    desk = a_desk()
    ids = [f"r-{n}" for n in range(50)]
    lines = list(desk.lines(desk.create(*ids)))
    assert lines != ids
    assert sorted(lines) == sorted(ids)


def test_the_billing_log_equals_the_results() -> None:
    desk = a_desk("row:overloaded:p=0.3")
    batch_id = desk.create(*(f"r-{n}" for n in range(30)))
    foreign = desk.sandbox.add_foreign(["x"])
    lines = desk.lines(batch_id)
    billed = {r.custom_id: r for r in desk.sandbox.billing_log().billed() if r.batch_id == batch_id}
    assert set(billed) == {name for name, line in lines.items() if line["type"] == "succeeded"}
    for name, row in billed.items():
        assert row.usage == lines[name]["message"]["usage"]
        assert row.model == lines[name]["message"]["model"]
    book = {book.batch_id: book for book in desk.sandbox.billing_log().batches}[foreign]
    assert book.foreign
    assert desk.retrieve(foreign)["id"] == foreign


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_kept_small() -> None:
    desk = a_desk()
    request = {"custom_id": "%d", "params": a_params("word " * 200)}
    one = json.dumps(request)
    count = 100_000
    body = (
        '{"requests":[' + ",".join(one.replace("%d", str(n)) for n in range(count)) + "]}"
    ).encode()
    batch_id = desk.json("POST", "/v1/messages/batches", body)["id"]
    [batch] = desk.sandbox._provider.all_batches(desk.clock.now())
    assert len(batch.rows._block) < len(body) / 3
    answer = desk.call("GET", f"/v1/messages/batches/{batch_id}/results")
    assert not isinstance(answer.body, bytes)
    assert sum(block.count(b"\n") for block in answer.body) == count


def test_searches_and_fetches_are_calls_and_results_before_the_text() -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 1},
    ]
    message = the_message(tools=tools)
    search = ["server_tool_use", "web_search_tool_result"]
    fetch = ["server_tool_use", "web_fetch_tool_result"]
    blocks = message["content"]
    assert [block["type"] for block in blocks] == [*search, *search, *fetch, "text"]
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 2
    calls, results = blocks[:-1:2], blocks[1:-1:2]
    assert [call["id"] for call in calls] == [result["tool_use_id"] for result in results]
    assert len({call["id"] for call in calls}) == 3
    # The SDK reads every block as its documented type.
    found = TypeAdapter(Message).validate_python(message, strict=True).content
    assert [type(block).__name__ for block in found[:2]] == [
        "ServerToolUseBlock",
        "WebSearchToolResultBlock",
    ]


def test_the_stream_of_a_search_has_the_blocks_of_the_message() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]
    message = the_message(tools=tools)
    streamed = b"".join(events(message)).decode().split("\n\n")
    blocks = [json.loads(line.split("data: ", 1)[1]) for line in streamed if line]
    starts = [event for event in blocks if event["type"] == "content_block_start"]
    assert [start["content_block"]["type"] for start in starts] == [
        block["type"] for block in message["content"]
    ]
    assert starts[0]["content_block"]["input"] == {}
    assert starts[1]["content_block"] == message["content"][1]
