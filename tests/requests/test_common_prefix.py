"""The common prefix of requests, and the mark at its end."""

import json
from typing import Any

import pytest

from core.requests.common_prefix import MARK_BYTES, Prefix, PrefixFinder, marked
from core.requests.payload import Limits, Line, to_line

# Haiku 5.5 caches from 512 tokens on.
MODEL = "claude-haiku-5-5"
LONG = "Guidelines. " * 400
MARK = {"type": "ephemeral", "ttl": "1h"}


def a_line(number: int, **params: Any) -> Line:
    given = {"messages": [{"role": "user", "content": f"Question {number}"}], "max_tokens": 100}
    request = {"custom_id": f"r-{number}", **given, **params}
    return to_line(request, position=number, model=MODEL, betas=(), limits=Limits())


def prefixes(*lines: Line) -> list[Prefix]:
    finder = PrefixFinder()
    for line in lines:
        finder.add(line)
    return finder.prefixes()


def params_marked(line: Line, found: list[Prefix]) -> dict[str, Any]:
    body = marked(line.body, {prefix.head: prefix.blocks for prefix in found})
    assert len(body) <= len(line.body) + MARK_BYTES
    return json.loads(body)["params"]


def test_a_common_system_prompt_is_marked_as_a_block() -> None:
    lines = [a_line(n, system=LONG) for n in (1, 2, 3)]
    found = prefixes(*lines)
    assert [(p.blocks, p.position, p.requests, p.model) for p in found] == [(1, 1, 3, MODEL)]
    got = params_marked(lines[2], found)
    assert got["system"] == [{"type": "text", "text": LONG, "cache_control": MARK}]
    assert got["messages"] == [{"role": "user", "content": "Question 3"}]


def test_the_mark_is_on_the_last_common_block_of_the_messages() -> None:
    def line(number: int) -> Line:
        blocks = [{"type": "text", "text": text} for text in (LONG, "Same", f"Other {number}")]
        return a_line(number, system="Brief.", messages=[{"role": "user", "content": blocks}])

    lines = [line(n) for n in (1, 2, 3)]
    found = prefixes(*lines)
    assert found[0].blocks == 3
    content = params_marked(lines[0], found)["messages"][0]["content"]
    assert ["cache_control" in block for block in content] == [False, True, False]


def test_common_tools_alone_are_marked_on_the_last_tool() -> None:
    tools = [{"name": n, "description": LONG, "input_schema": {"type": "object"}} for n in "ab"]
    lines = [a_line(n, tools=tools) for n in (1, 2, 3)]
    got = params_marked(lines[1], prefixes(*lines))
    assert ["cache_control" in tool for tool in got["tools"]] == [False, True]


def test_a_block_that_takes_no_mark_is_passed_over() -> None:
    def line(number: int) -> Line:
        thought = {"type": "thinking", "thinking": LONG, "signature": "x"}
        answer = [thought, {"type": "text", "text": ""}]
        messages = [
            {"role": "user", "content": LONG},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": f"Question {number}"},
        ]
        return a_line(number, messages=messages)

    lines = [line(n) for n in (1, 2, 3)]
    found = prefixes(*lines)
    assert found[0].blocks == 1
    assert params_marked(lines[0], found)["messages"][0]["content"][0]["cache_control"] == MARK


def test_too_few_requests_and_too_few_tokens_have_no_prefix() -> None:
    assert prefixes(*(a_line(n, system=LONG) for n in (1, 2))) == []
    assert prefixes(*(a_line(n, system="x" * 2000) for n in (1, 2, 3))) == []
    assert prefixes(*(a_line(n) for n in range(5))) == []


def test_requests_of_other_settings_models_or_prompts_are_apart() -> None:
    lines = [
        *(a_line(n, system=LONG) for n in (1, 2, 3)),
        *(a_line(n, system=LONG, thinking={"type": "adaptive"}) for n in (4, 5, 6)),
        *(a_line(n, system=LONG, model="claude-haiku-5-5-20261001") for n in (7, 8, 9)),
        *(a_line(n, system=f"Other {LONG}") for n in (10, 11, 12)),
    ]
    assert [prefix.position for prefix in prefixes(*lines)] == [1, 4, 7, 10]
    # What the model does not read makes no difference.
    own = [
        a_line(n, system=LONG, max_tokens=100 + n, metadata={"user_id": str(n)}) for n in (1, 2, 3)
    ]
    assert len(prefixes(*own)) == 1


def test_own_marks_are_kept_and_no_other_is_added() -> None:
    system = [{"type": "text", "text": LONG, "cache_control": MARK}]
    lines = [a_line(n, system=system) for n in (1, 2, 3)]
    found = prefixes(*lines)
    assert found[0].requests == 3
    assert marked(lines[0].body, {found[0].head: found[0].blocks}) is lines[0].body


def test_everything_but_the_mark_keeps_its_bytes() -> None:
    extra = {"z": 1.50, "a": [1e20, "é\u2028"], "big": 2**70}
    lines = [a_line(n, system=LONG, metadata=extra) for n in (1, 2, 3)]
    found = prefixes(*lines)
    body = marked(lines[0].body, {found[0].head: found[0].blocks})
    mark = b',"cache_control":{"type":"ephemeral","ttl":"1h"}}]'
    assert body.replace(mark, b"").replace(b'[{"type":"text","text":', b"") == lines[0].body


_ODD: list[dict[str, Any]] = [
    {"system": 5},
    {"system": None},
    {"tools": {"name": "x"}},
    {"tools": "x"},
    {"messages": [{"role": "user", "content": 7}]},
    {"messages": [{"role": "user", "content": [1, None, "x", []]}]},
    {"messages": [{"role": None, "content": [{"type": 3}]}]},
    {"system": [{"type": "text"}]},
]


@pytest.mark.parametrize("odd", _ODD)
def test_what_the_api_will_refuse_is_left_alone(odd: dict[str, Any]) -> None:
    lines = [a_line(n, **odd) for n in (1, 2, 3)]
    assert prefixes(*lines) == []
    assert marked(lines[0].body, {}) == lines[0].body
