"""Every field of the SDK's usage is priced or free; what is unknown is named, never ignored."""

import json
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from anthropic.types import Usage as SdkUsage
from anthropic.types.beta import BetaUsage

from core.api import usage_schema
from core.api.usage_schema import MOST_SEARCHES, InvalidUsageError, read_usage, usage_of
from state.model.usage import Iteration, Usage

MODEL = "claude-sonnet-5-5"
COUNTS = {"input_tokens": 11, "output_tokens": 7}
PLAIN = Usage(input_tokens=11, output_tokens=7)


def fields_of(kind: Any, path: str = "") -> Iterator[str]:
    """The path of every value in a type of the SDK."""
    fields: dict[str, Any] | None = getattr(kind, "model_fields", None)
    if fields is not None:
        for name, field in fields.items():
            yield from fields_of(field.annotation, f"{path}.{name}".lstrip("."))
    elif get_origin(kind) in (Union, types.UnionType, list) or hasattr(kind, "__metadata__"):
        for part in get_args(kind):
            yield from fields_of(part, path)
    elif kind is not type(None):
        yield path


def is_known(path: str) -> bool:
    """Whether the parser reads the field, or it is listed as free."""
    known: Any = usage_schema._Usage  # pyright: ignore[reportPrivateUsage]
    above = ""
    for name in path.split("."):
        above = f"{above}.{name}".lstrip(".")
        if above in usage_schema.FREE:
            return True
        if known is not None and name not in known.__struct_fields__:
            return False
        known = usage_schema._NESTED.get(name)  # pyright: ignore[reportPrivateUsage]
    return True


@pytest.mark.parametrize("path", sorted({*fields_of(SdkUsage), *fields_of(BetaUsage)}))
def test_every_field_of_the_sdk_is_priced_or_free(path: str) -> None:
    assert is_known(path), f"price {path} in core/api/usage_schema.py, or list it as free"


def test_the_walk_finds_nested_fields_and_misses_no_new_one() -> None:
    class NewUsage(BetaUsage):
        audio_tokens: int | None = None

    found = set(fields_of(NewUsage))
    assert {
        "inference_geo",
        "cache_creation.ephemeral_1h_input_tokens",
        "server_tool_use.web_search_requests",
        "iterations.model",
        "iterations.cache_creation.ephemeral_5m_input_tokens",
        "fallback_credit.status.reason",
        "output_tokens_details.thinking_tokens",
    } <= found
    assert [path for path in sorted(found) if not is_known(path)] == ["audio_tokens"]


def read(value: object) -> Usage:
    """The usage as it is read from a line of results."""
    return read_usage(msgspec.Raw(json.dumps(value).encode()), MODEL)


def an_iteration(**fields: object) -> dict[str, object]:
    return {
        "type": "message",
        "input_tokens": 5,
        "output_tokens": 2,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 3},
    } | fields


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"inference_geo": "us"}, {"inference_geo": "us"}),
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"speed": "fast"}, {"speed": "fast"}),
        (
            {"server_tool_use": {"web_search_requests": 5, "web_fetch_requests": 2}},
            {"web_searches": 5},
        ),
        ({"server_tool_use": {"web_search_requests": None}}, {}),
        ({"output_tokens_details": {"thinking_tokens": 3, "other_tokens": 0}}, {}),
        ({"output_tokens_details": None}, {}),
        ({"iterations": [], "fallback_credit": None, "new": 0, "newer": {"a": [0, ""]}}, {}),
        ({"iterations": [an_iteration(), an_iteration(model=f"{MODEL}-20261101")]}, {}),
        ({"fallback_credit": {"status": {"type": "not_applied", "reason": "expired"}}}, {}),
    ],
)
def test_what_changes_the_price_is_read(
    fields: dict[str, object], expected: dict[str, Any]
) -> None:
    usage = Usage(input_tokens=11, output_tokens=7, **expected)
    assert read(COUNTS | fields) == usage
    assert usage_of(COUNTS | fields, MODEL) == usage


def test_compaction_and_advisor_are_billed_beside_the_counts() -> None:
    parts = [
        an_iteration(),
        an_iteration(type="compaction"),
        an_iteration(type="advisor_message", model="claude-opus-5-5"),
        an_iteration(type="fallback_message", model=MODEL),
    ]
    counts: dict[str, Any] = {
        "input_tokens": 5,
        "output_tokens": 2,
        "cache_write_1h_tokens": 3,
        "cache_read_tokens": 1,
    }
    assert read(COUNTS | {"iterations": parts}) == Usage(
        input_tokens=11,
        output_tokens=7,
        iterations=(
            Iteration(type="compaction", **counts),
            Iteration(type="advisor_message", model="claude-opus-5-5", **counts),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"audio_tokens": 3}, "usage: unknown field audio_tokens"),
        ({"audio": {"seconds": 0.5}}, "usage: unknown field audio"),
        ({"a\nb": "x"}, "usage: unknown field a?b"),
        (
            {"server_tool_use": {"web_search_requests": 1, "code_execution_requests": 2}},
            "usage: unknown field server_tool_use.code_execution_requests",
        ),
        (
            {"cache_creation": {"ephemeral_24h_input_tokens": 9}},
            "usage: unknown field cache_creation.ephemeral_24h_input_tokens",
        ),
        (
            {"output_tokens_details": {"thinking_tokens": 3, "audio_tokens": 2}},
            "usage: unknown field output_tokens_details.audio_tokens",
        ),
        (
            {"iterations": [an_iteration(thoughts=1)]},
            "usage: unknown field iterations.thoughts",
        ),
        ({"iterations": [an_iteration(type="judge")]}, "unknown iteration type 'judge'"),
        ({"iterations": [an_iteration(model="claude-opus-5-5")]}, "by another model"),
        ({"iterations": [an_iteration(type="advisor_message")]}, "advisor iteration without"),
        ({"fallback_credit": {"status": {"type": "redeemed"}}}, "fallback_credit 'redeemed'"),
    ],
)
def test_what_has_no_known_price_is_named_and_the_tokens_are_kept(
    fields: dict[str, object], named: str
) -> None:
    found = read(COUNTS | fields)
    assert named in (found.unknown or "")
    assert (found.input_tokens, found.output_tokens) == (11, 7)
    assert usage_of(COUNTS | fields, MODEL) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"server_tool_use": {"web_search_requests": -1}},
        {"server_tool_use": {"web_search_requests": 1.5}},
        {"server_tool_use": {"web_search_requests": "5"}},
        {"server_tool_use": {"web_search_requests": MOST_SEARCHES + 1}},
        {"server_tool_use": [5]},
        {"inference_geo": 7},
        {"inference_geo": "x" * 100},
        {"service_tier": ["batch"]},
        {"cache_creation": {"ephemeral_1h_input_tokens": -3}},
        {"iterations": [an_iteration(type="compaction", input_tokens=-5)]},
        {"iterations": [an_iteration(type="compaction", input_tokens=None)]},
        {"iterations": [an_iteration(type="compaction", input_tokens=1 << 27)] * 2},
        {"iterations": [an_iteration()] * 2000},
        {"iterations": {"a": 1}},
        {"iterations": [7]},
    ],
)
def test_counts_that_no_answer_can_have_are_invalid(fields: dict[str, object]) -> None:
    found = read(COUNTS | fields)
    assert found == Usage(unknown=found.unknown)
    assert (found.unknown or "").startswith("usage: invalid: ")
    with pytest.raises(InvalidUsageError):
        usage_of(COUNTS | fields, MODEL)


def test_the_reason_of_an_invalid_count_names_the_field_and_not_its_value() -> None:
    found = {read(COUNTS | {"output_tokens": number}).unknown for number in range(-9, -1)}
    assert len(found) == 1
    assert "output_tokens" in (found.pop() or "")


def test_the_sdks_object_is_read_as_its_json_with_fields_that_the_sdk_does_not_know() -> None:
    parts = [an_iteration(type="advisor_message", model="claude-opus-5-5"), an_iteration()]
    fields: dict[str, Any] = COUNTS | {
        "inference_geo": "us",
        "service_tier": "standard",
        "speed": "fast",
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "iterations": parts,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    }
    found = usage_of(BetaUsage.model_validate(fields).model_dump(), MODEL)
    assert found == read(fields)
    assert (found.speed, found.web_searches, len(found.iterations)) == ("fast", 2, 1)
    new = BetaUsage.model_validate(fields | {"audio_tokens": 7})
    assert usage_of(new.model_dump(), MODEL).unknown == "usage: unknown field audio_tokens"
