"""What the API would reject is known at submit, in its own words; what it accepts is not blamed."""

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import ToolUnionParam
from anthropic.types.beta import BetaToolUnionParam
from support.api.sandbox_client import BATCHES, a_desk

from core.requests.api_rules import Rules
from core.requests.rule_parts import Problem

NEW, OLD = "claude-sonnet-5-5", "claude-haiku-4-5"
TOOL = {"name": "look", "input_schema": {"type": "object"}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
MARK = {"type": "ephemeral", "ttl": "1h"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def params_of(**changes: Any) -> dict[str, Any]:
    return {
        "model": OLD,
        "max_tokens": 2048,
        "messages": [{"role": "user", "content": "Hi"}],
        **changes,
    }


def turns(*contents: Any) -> dict[str, Any]:
    """Messages of user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": one} for n, one in enumerate(contents)]}


def a_block(**fields: Any) -> dict[str, Any]:
    return turns([{"type": "text", "text": "Hi"}, fields])


def found(params: dict[str, Any], *betas: str) -> Sequence[Problem]:
    return Rules(betas).problems(params, params["model"])


def thinking(budget: Any, **changes: Any) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, **changes}


REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "a typo": ({"max_token": 5}, "max_token: Extra inputs are not permitted"),
    "context_management": ({"context_management": {}}, "context_management: Extra inputs"),
    "mcp_servers": ({"mcp_servers": []}, "mcp_servers: Extra inputs"),
    "fallbacks": ({"fallbacks": "default"}, "fallbacks: Extra inputs"),
    "task_budget": ({"output_config": {"task_budget": {"total": 5}}}, "output_config.task_budget"),
    "a small budget": (thinking(10), "thinking.enabled.budget_tokens: Input should be greater"),
    "a budget over max_tokens": (thinking(2048), "`max_tokens` must be greater than"),
    "no budget": ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field requ"),
    "a budget of a new model": (thinking(1024, model=NEW), '"thinking.type.enabled" is not supp'),
    "a kind of thinking": ({"thinking": {"type": "on"}}, "thinking.type: Input should be"),
    "tool_choice without tools": ({"tool_choice": {"type": "any"}}, "tool_choice may only be"),
    "an unknown choice": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}},
        "tool_choice: Tool 'other' not found",
    ),
    "a choice as text": ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input should be"),
    "a forced tool and thinking": (
        {"tools": [TOOL], "tool_choice": {"type": "any"}, **thinking(1024)},
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    "two tools of a name": ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique"),
    "a tool's name": ({"tools": [{**TOOL, "name": "x y!"}]}, "tools.0.custom.name: String should"),
    "a tool without schema": ({"tools": [{"name": "x"}]}, "tools.0.custom.input_schema: Field re"),
    "a kind of tool": ({"tools": [{"type": "nope", "name": "x"}]}, "tools.0: Input tag 'nope'"),
    "a tool of OpenAI": ({"tools": [{"type": "function", "function": {}}]}, "tools.0: Input tag"),
    "tools as an object": ({"tools": TOOL}, "tools: Input should be a valid list"),
    "a block": (a_block(type="nope"), "messages.0.content.1: Input tag 'nope'"),
    "an image of OpenAI": (a_block(type="image_url", image_url={}), "Input tag 'image_url'"),
    "a block without a type": (a_block(text="x"), "messages.0.content.1: Input tag None"),
    "an empty text": (a_block(type="text", text=""), "text content blocks must be non-empty"),
    "no text": (a_block(type="text"), "messages.0.content.1.text.text: Field required"),
    "an image without a source": (a_block(type="image"), "content.1.image.source: Field required"),
    "an image without data": (
        a_block(type="image", source={"type": "base64", "media_type": "image/png"}),
        "content.1.image.source.base64.data: Field required",
    ),
    "another kind of image": (
        a_block(type="image", source={**PNG, "media_type": "image/tiff"}),
        "image.source.base64.media_type: Input should be 'image/jpeg'",
    ),
    "a document as an image": (
        a_block(type="document", source=PNG),
        "document.source.base64.media_type: Input should be 'application/pdf'",
    ),
    "a call without a result": (turns("Hi", [CALL], "So?"), "messages.1: `tool_use` ids were fo"),
    "a call at the end": (turns("Hi", [CALL]), "messages.1: `tool_use` ids were found without"),
    "a result without a call": (turns([RESULT]), "messages.0: unexpected `tool_use_id` found"),
    "a role": ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should"),
    "no content": (turns("", "Yes", "Go"), "messages.0: all messages must have non-empty content"),
    "a name": ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages.0.name"),
    "prefill": ({"model": NEW, **turns("Hi", "So")}, "This model does not support assistant mess"),
    "a kind of cache": (
        a_block(type="text", text="x", cache_control={"type": "persist"}),
        "messages.0.content.1.text.cache_control.type: Input should be 'ephemeral'",
    ),
    "an age of cache": (
        {"system": [{"type": "text", "text": "x", "cache_control": {**MARK, "ttl": "2h"}}]},
        "system.0.cache_control.ttl: Input should be '5m' or '1h'",
    ),
    "five marks": (
        {"system": [{"type": "text", "text": "x", "cache_control": MARK}] * 5},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "five marks in several places": (
        {
            "system": [{"type": "text", "text": "x", "cache_control": MARK}] * 3,
            **turns([{"type": "text", "text": "x", "cache_control": MARK}] * 2),
        },
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "system as a number": ({"system": 5}, "system: Input should be a valid list"),
    "an image as system": ({"system": [{"type": "image"}]}, "system.0.type: Input should be 'te"),
    "stop_sequences as text": ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid"),
    "a blank stop": ({"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
    "metadata": ({"metadata": {"foo": 1}}, "metadata.foo: Extra inputs are not permitted"),
    "service_tier": ({"service_tier": "batch"}, "service_tier: Input should be 'auto' or"),
    "effort": ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
    "a format": ({"output_config": {"format": {"type": "nope"}}}, "output_config.format.type: In"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_the_api_rejects_is_found_in_its_words(case: str) -> None:
    changes, message = REJECTED[case]
    problems = found(params_of(**changes))
    assert len(problems) == 1, problems
    assert message in problems[0].message


def test_the_sandbox_rejects_the_same_rows_with_the_same_words() -> None:
    rows: list[Any] = [
        {"custom_id": f"row-{n}", "params": params_of(**changes)}
        for n, (changes, _) in enumerate(REJECTED.values())
    ]
    desk = a_desk()
    batch = desk.json("POST", BATCHES, {"requests": rows})
    lines = desk.lines(batch["id"])
    for row in rows:
        error = lines[row["custom_id"]]["error"]["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"] == found(row["params"])[0].message


ACCEPTED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "text": ({}, ()),
    "blocks": (turns([{"type": "text", "text": "a"}], "b", [{"type": "text", "text": "c"}]), ()),
    "system": ({"system": [{"type": "text", "text": "x", "cache_control": MARK}] * 4}, ()),
    "four marks": (
        {
            "cache_control": MARK,
            **turns([{"type": "text", "text": "x", "cache_control": MARK}] * 4),
        },
        (),
    ),
    "an image": (a_block(type="image", source=PNG), ()),
    "a document": (a_block(type="document", source={"type": "url", "url": "https://x"}), ()),
    "a block of the SDK": (a_block(type="text", text="x", citations=None), ()),
    "prefill of an old model": (turns("Hi", "So"), ()),
    "prefill of an unknown model": ({"model": "gateway/model", **turns("Hi", "So")}, ()),
    "a paused turn": ({"model": NEW, **turns("Hi", [{**CALL, "type": "server_tool_use"}])}, ()),
    "an empty prefill": (turns("Hi", ""), ()),
    "a budget": (thinking(1024), ()),
    "a budget of turns": (thinking(4096), ("interleaved-thinking-2025-05-14",)),
    "adaptive": ({"model": NEW, "thinking": {"type": "adaptive", "display": "omitted"}}, ()),
    "tools": (
        {
            "tools": [TOOL, {"type": "web_search_20990101", "name": "web_search", "max_uses": 3}],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        },
        (),
    ),
    "a call and its result": (
        {"tools": [TOOL], **turns("Hi", [CALL], [RESULT, {"type": "text", "text": "?"}])},
        (),
    ),
    "a call of the server": (turns("Hi", [{**CALL, "type": "server_tool_use"}], "So?"), ()),
    "a note of the system": (
        {"messages": [*turns("Hi", "Yes")["messages"], {"role": "system", "content": "Stop"}]},
        (),
    ),
    "the rest": (
        {
            "metadata": {"user_id": "u"},
            "service_tier": "standard_only",
            "stop_sequences": ["END"],
            "stream": False,
            "container": "c",
            "inference_geo": "us",
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        },
        (),
    ),
    "context_management": ({"context_management": {}}, ("context-management-2025-06-27",)),
    "compaction": ({"context_management": {}}, ("compact-2026-01-12",)),
    "mcp_servers": (
        {"mcp_servers": [], "tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]},
        ("mcp-client-2025-11-20",),
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_the_api_accepts_is_not_blamed(case: str) -> None:
    changes, betas = ACCEPTED[case]
    assert not found(params_of(**changes), *betas)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_token", "Did you mean max_tokens?"),
        ("sytem", "Did you mean system?"),
        ("timeout", "argument of the SDK's call"),
        ("extra_headers", "argument of the SDK's call"),
        ("response_format", "Did you mean output_config.format?"),
        ("stop", "Did you mean stop_sequences?"),
        ("seed", "a parameter of another API"),
        ("context_management", "a beta header: context-management-…"),
        ("zzz", ""),
    ],
)
def test_an_unknown_field_has_a_hint(name: str, hint: str) -> None:
    (problem,) = found(params_of(**{name: 1}))
    assert hint in problem.hint
    assert bool(problem.hint) is bool(hint)


BETA_ONLY: dict[str, tuple[dict[str, Any], str]] = {
    **{
        kind: ({"tools": [{"type": kind, "name": "t"}]}, "computer-use-2025-11-24")
        for kind in ("computer_20241022", "computer_20250124", "computer_20251124")
    },
    "bash": ({"tools": [{"type": "bash_20241022", "name": "bash"}]}, "computer-use-2024-10-22"),
    "editor": (
        {"tools": [{"type": "text_editor_20241022", "name": "e"}]},
        "computer-use-2024-10-22",
    ),
    "advisor": (
        {"tools": [{"type": "advisor_20260301", "name": "a", "model": NEW}]},
        "advisor-tool-2026-03-01",
    ),
    "toolset": (
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]},
        "mcp-client-2025-11-20",
    ),
    "a call by MCP": (turns("Hi", [{"type": "mcp_tool_use"}], "So?"), "mcp-client-2025-11-20"),
    "compacted": (turns("Hi", [{"type": "compaction"}], "So?"), "compact-2026-01-12"),
    "fallback": (turns("Hi", [{"type": "fallback"}], "So?"), "server-side-fallback-2026-07-01"),
    "tool removal": (
        {
            "messages": [
                *turns("Hi", "Yes")["messages"],
                {"role": "system", "content": [{"type": "tool_removal"}]},
            ]
        },
        "mid-conversation-tool-changes-2026-07-01",
    ),
    "clear_at": (
        {
            "messages": [
                *turns("Hi", "Yes")["messages"],
                {"role": "system", "content": "x", "clear_at": "never"},
            ]
        },
        "mid-conversation-system-clear-at-2026-08-21",
    ),
    "block_binding": (
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "block_binding": {"x": 1}}},
        "thinking-binding-controls-2026-08-01",
    ),
}


@pytest.mark.parametrize("case", BETA_ONLY)
def test_what_needs_a_beta_header_is_found_without_it_here_and_in_the_sandbox(case: str) -> None:
    changes, beta = BETA_ONLY[case]
    params = params_of(**changes)
    (problem,) = found(params)
    assert problem.hint == f"It needs a beta header: {beta.rstrip('0123456789-')}-…"
    assert not found(params, beta)
    desk = a_desk()
    request = {"requests": [{"custom_id": "a", "params": params}]}
    ids = [
        desk.json("POST", BATCHES, request, **headers)["id"]
        for headers in ({}, {"anthropic_beta": beta})
    ]
    assert [desk.lines(one)["a"]["type"] for one in ids] == ["errored", "succeeded"]


def test_the_tools_that_need_a_beta_are_those_that_only_the_beta_types_of_the_sdk_have() -> None:
    plain, beta = (_tool_types(union) for union in (ToolUnionParam, BetaToolUnionParam))
    assert beta - plain == {
        *("mcp_toolset", "bash_20241022", "text_editor_20241022", "advisor_20260301"),
        *("computer_20241022", "computer_20250124", "computer_20251124"),
    }
    for kind in plain - {"custom"}:
        tool = {"type": kind, "name": "t"}
        assert not any("beta" in problem.hint for problem in found(params_of(tools=[tool]))), kind


def _tool_types(union: Any) -> set[str]:
    """The values of `type` in the members of a union."""
    found: set[str] = set()
    for member in get_args(union):
        hint = get_type_hints(member).get("type")
        for part in (hint, *get_args(hint)):
            found.update(one for one in get_args(part) if isinstance(one, str))
    return found


def test_what_is_the_same_in_the_next_request_is_found_again() -> None:
    rules = Rules(())
    wrong, right = params_of(system=5), params_of(system="x", stop_sequences=["y"])
    for params, number in [(wrong, 1), (wrong, 1), (right, 0), (wrong, 1), (params_of(), 0)]:
        assert len(rules.problems(params, OLD)) == number


def test_values_of_any_shape_are_answered() -> None:
    """Files are written by anyone: no value may end in an error of our own."""
    values: list[Any] = [None, 5, "x", [], [5], [[]], {}, {"type": 5}, [{"type": []}], True]
    for value in values:
        for name in ("system", "tools", "tool_choice", "thinking", "metadata", "output_config"):
            found(params_of(**{name: value}))
        for name in ("stop_sequences", "service_tier", "cache_control"):
            found(params_of(**{name: value}))
        found(params_of(messages=[{"role": value, "content": value}]))
        found(params_of(messages=[{"role": "user", "content": [value]}]))
        found(params_of(**a_block(type="image", source=value)))
        found(params_of(tools=[{"name": value, "type": value}], tool_choice={"name": value}))
        found(params_of(**thinking(value)))
