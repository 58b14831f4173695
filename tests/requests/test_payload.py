"""An invalid request is rejected before it costs anything, with its custom_id and a code."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.builders import a_request

from core.errors import PayloadError
from core.requests.cache_control import CachePolicy
from core.requests.model_limits import EXTENDED_OUTPUT_BETA
from core.requests.payload import (
    Limits,
    Line,
    check_tag,
    parse_line,
    to_line,
    wire_overhead,
    workflow_and_date,
)

NAME = "feed-classify-2026-11-22-001"
FIVE_MINUTES = {"type": "ephemeral"}
ONE_HOUR = {"type": "ephemeral", "ttl": "1h"}


def line_of(
    request: object,
    *,
    model: str = "claude-sonnet-4-6",
    betas: tuple[str, ...] = (),
    limits: Limits | None = None,
    cache: CachePolicy = CachePolicy.HOUR,
) -> Line:
    return to_line(
        request, position=7, model=model, betas=betas, limits=limits or Limits(), cache=cache
    )


def without(request: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in request.items() if name != key}


def a_block(**fields: object) -> dict[str, object]:
    return {"type": "text", "text": "Hello", **fields}


def with_content(*blocks: object) -> dict[str, object]:
    return a_request(NAME, messages=[{"role": "user", "content": list(blocks)}])


def deep() -> list[object]:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("request_", "named", "code"),
    [
        pytest.param("hello", "Request 7", "request_not_object", id="text"),
        pytest.param([], "Request 7", "request_not_object", id="list"),
        pytest.param(None, "Request 7", "request_not_object", id="nothing"),
        pytest.param(
            without(a_request(), "custom_id"), "Request 7", "custom_id_missing", id="no id"
        ),
        pytest.param(a_request("", max_tokens=1), "Request 7", "custom_id_invalid", id="empty id"),
        pytest.param(a_request("a.b"), "Request 7", "custom_id_invalid", id="dot"),
        pytest.param(a_request("a b"), "Request 7", "custom_id_invalid", id="space"),
        pytest.param(a_request("a:b"), "Request 7", "custom_id_invalid", id="colon"),
        pytest.param(a_request("é"), "Request 7", "custom_id_invalid", id="accent"),
        pytest.param(a_request("a\n"), "Request 7", "custom_id_invalid", id="line end"),
        pytest.param(a_request("a" * 65), "Request 7", "custom_id_invalid", id="65 long"),
        pytest.param(a_request(custom_id=5), "Request 7", "custom_id_invalid", id="number as id"),  # pyright: ignore[reportArgumentType]
        pytest.param(
            without(a_request(NAME), "messages"), NAME, "messages_missing", id="no messages"
        ),
        pytest.param(a_request(NAME, messages=[]), NAME, "messages_invalid", id="empty messages"),
        pytest.param(a_request(NAME, messages="hi"), NAME, "messages_invalid", id="text messages"),
        pytest.param(a_request(NAME, messages=["hi"]), NAME, "message_invalid", id="text message"),
        pytest.param(
            a_request(NAME, messages=[{"role": "user", "content": "a"}, {"role": "user"}]),
            NAME,
            "message_invalid",
            id="no content",
        ),
        pytest.param(
            without(a_request(NAME), "max_tokens"), NAME, "max_tokens_missing", id="no max"
        ),
        pytest.param(a_request(NAME, max_tokens=0), NAME, "max_tokens_invalid", id="zero"),
        pytest.param(a_request(NAME, max_tokens=-1), NAME, "max_tokens_invalid", id="negative"),
        pytest.param(a_request(NAME, max_tokens=True), NAME, "max_tokens_invalid", id="bool"),
        pytest.param(a_request(NAME, max_tokens="64"), NAME, "max_tokens_invalid", id="text max"),
        pytest.param(a_request(NAME, max_tokens=1.5), NAME, "max_tokens_invalid", id="float max"),
        pytest.param(a_request(NAME, max_tokens=300_001), NAME, "max_tokens_too_large", id="over"),
        pytest.param(a_request(NAME, model=""), NAME, "model_invalid", id="no model"),
        pytest.param(a_request(NAME, model=4), NAME, "model_invalid", id="number model"),
        pytest.param(a_request(NAME, stream=True), NAME, "unsupported_param", id="stream"),
        pytest.param(a_request(NAME, speed="fast"), NAME, "unsupported_param", id="speed"),
        pytest.param(a_request(NAME, speed=None), NAME, "unsupported_param", id="speed null"),
        pytest.param(a_request(NAME, temperature=1.0), NAME, "unsupported_param", id="temperature"),
        pytest.param(a_request(NAME, temperature=0), NAME, "unsupported_param", id="temperature 0"),
        pytest.param(
            a_request(NAME, temperature=None), NAME, "unsupported_param", id="temperature null"
        ),
        pytest.param(a_request(NAME, top_p=0.0), NAME, "unsupported_param", id="top_p 0"),
        pytest.param(a_request(NAME, top_k=0), NAME, "unsupported_param", id="top_k 0"),
        pytest.param(a_request(NAME, top_k=False), NAME, "unsupported_param", id="top_k false"),
        pytest.param(a_request(NAME, tag="t"), NAME, "misplaced_key", id="tag"),
        pytest.param(a_request(NAME, workflow="w"), NAME, "misplaced_key", id="workflow"),
        pytest.param(a_request(NAME, betas=[]), NAME, "misplaced_key", id="betas"),
        pytest.param(a_request(NAME, deadline="x"), NAME, "misplaced_key", id="deadline"),
        pytest.param(a_request(NAME, metadata=object()), NAME, "not_json", id="object"),
        pytest.param(a_request(NAME, metadata={"x": "\ud800"}), NAME, "not_json", id="surrogate"),
        pytest.param(a_request(NAME, metadata=deep()), NAME, "not_json", id="deep"),
        pytest.param(
            {"custom_id": NAME, "params": {}, "max_tokens": 5},
            NAME,
            "params_mixed",
            id="both forms",
        ),
        pytest.param(
            {"custom_id": NAME, "params": {}, "x": 1, 5: 6},
            NAME,
            "params_mixed",
            id="both forms, odd keys",
        ),
        pytest.param(
            {"custom_id": NAME, "params": "x"}, NAME, "params_not_object", id="params text"
        ),
        pytest.param(
            {"custom_id": NAME, "params": None}, NAME, "params_not_object", id="params null"
        ),
        pytest.param(
            {"custom_id": NAME, "params": {}}, NAME, "messages_missing", id="params empty"
        ),
    ],
)
def test_a_bad_request_is_named_in_one_line(request_: object, named: str, code: str) -> None:
    with pytest.raises(PayloadError) as caught:
        line_of(request_)
    assert named in str(caught.value)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(a_request(NAME, cache_control=FIVE_MINUTES), id="top level"),
        pytest.param(a_request(NAME, system=[a_block(cache_control=FIVE_MINUTES)]), id="system"),
        pytest.param(
            a_request(NAME, tools=[{"name": "t", "cache_control": {"ttl": "5m"}}]), id="tool"
        ),
        pytest.param(with_content(a_block(cache_control=FIVE_MINUTES)), id="content"),
        pytest.param(
            with_content(a_block(), a_block(cache_control={"type": "ephemeral", "ttl": "5m"})),
            id="explicit 5m",
        ),
        pytest.param(
            with_content({"type": "tool_result", "content": [a_block(cache_control=FIVE_MINUTES)]}),
            id="nested",
        ),
        pytest.param(with_content(a_block(cache_control="ephemeral")), id="no object"),
        pytest.param(
            a_request(NAME, system=(a_block(cache_control=FIVE_MINUTES),)), id="in a tuple"
        ),
        pytest.param(
            {
                "custom_id": NAME,
                "params": without(with_content(a_block(cache_control=FIVE_MINUTES)), "custom_id"),
            },
            id="in params",
        ),
    ],
)
def test_five_minute_caching_is_rejected_anywhere_in_a_request(request_: object) -> None:
    with pytest.raises(PayloadError, match=NAME) as caught:
        line_of(request_)
    assert caught.value.code == "cache_ttl_too_short"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(with_content(a_block(cache_control=ONE_HOUR)), id="one hour"),
        pytest.param(with_content(a_block(cache_control=None)), id="no mark"),
        pytest.param(with_content(a_block(text="cache_control")), id="in the text"),
        pytest.param(
            with_content({"type": "tool_use", "input": {"cache_control": FIVE_MINUTES}}),
            id="in a tool's input",
        ),
        pytest.param(
            a_request(
                NAME, tools=[{"input_schema": {"properties": {"cache_control": FIVE_MINUTES}}}]
            ),
            id="in a tool's schema",
        ),
        pytest.param(a_request(NAME, stream=False), id="stream false"),
        pytest.param(a_request("a" * 64), id="64 long"),
        pytest.param(a_request("_-A9"), id="every kind of sign"),
    ],
)
def test_a_good_request_passes(request_: Mapping[str, Any]) -> None:
    line = line_of(request_)
    assert line.custom_id == request_["custom_id"]
    assert line.body.startswith(b'{"custom_id":"%b","params":{' % line.custom_id.encode())


@pytest.mark.parametrize(
    ("model", "betas", "most"),
    [
        ("claude-sonnet-4-6", (), 300_000),
        ("claude-opus-5-5", (EXTENDED_OUTPUT_BETA,), 300_000),
        ("claude-haiku-5-5", ("other", EXTENDED_OUTPUT_BETA), 300_000),
        ("claude-haiku-4-5", (), 64_000),
        ("claude-haiku-4-5-20251001", (EXTENDED_OUTPUT_BETA,), 64_000),
        ("claude-fable-5-2", (EXTENDED_OUTPUT_BETA,), 128_000),
    ],
)
def test_max_tokens_may_reach_the_models_limit_and_no_further(
    model: str, betas: tuple[str, ...], most: int
) -> None:
    line_of(a_request(NAME, max_tokens=most), model=model, betas=betas)
    with pytest.raises(PayloadError, match=f"{most:,}") as caught:
        line_of(a_request(NAME, max_tokens=most + 1), model=model, betas=betas)
    assert caught.value.code == "max_tokens_too_large"


@pytest.mark.parametrize(
    ("model", "max_tokens", "given", "sent"),
    [
        ("claude-sonnet-4-6", 128_000, (), ()),
        ("claude-sonnet-4-6", 128_001, (), (EXTENDED_OUTPUT_BETA,)),
        ("claude-sonnet-4-6", 128_001, ("x",), ("x", EXTENDED_OUTPUT_BETA)),
        ("claude-sonnet-4-6", 128_000, ("x", EXTENDED_OUTPUT_BETA), ("x",)),
        ("claude-haiku-4-5", 64_000, (), ()),
        ("another-model", 200_000, (EXTENDED_OUTPUT_BETA,), (EXTENDED_OUTPUT_BETA,)),
        ("another-model", 200_000, (), ()),
    ],
)
def test_the_extended_output_beta_goes_only_with_requests_that_need_it(
    model: str, max_tokens: int, given: tuple[str, ...], sent: tuple[str, ...]
) -> None:
    line = line_of(a_request(NAME, max_tokens=max_tokens), model=model, betas=given)
    assert line.betas == sent
    assert parse_line(line.body, betas=given) == line


@pytest.mark.parametrize("mark", [FIVE_MINUTES, {"type": "ephemeral", "ttl": "5m"}])
def test_upgrade_changes_five_minute_caching_to_one_hour(mark: dict[str, str]) -> None:
    short = with_content(a_block(cache_control=mark))
    hour = with_content(a_block(cache_control=ONE_HOUR))
    upgraded = line_of(short, cache=CachePolicy.UPGRADE)
    assert upgraded == line_of(hour)
    assert short["messages"] == with_content(a_block(cache_control=mark))["messages"]
    with pytest.raises(PayloadError) as caught:
        line_of(with_content(a_block(cache_control="ephemeral")), cache=CachePolicy.UPGRADE)
    assert caught.value.code == "cache_ttl_too_short"


def test_a_job_with_cache_none_rejects_cache_control() -> None:
    with pytest.raises(PayloadError, match=NAME) as caught:
        line_of(with_content(a_block(cache_control=ONE_HOUR)), cache=CachePolicy.NONE)
    assert caught.value.code == "cache_not_allowed"


def test_an_unknown_model_has_no_limit_here() -> None:
    line = line_of(a_request(NAME, model="another-model", max_tokens=10_000_000))
    assert b'"max_tokens":10000000' in line.body


def test_a_request_larger_than_a_batch_is_rejected() -> None:
    size = len(line_of(a_request(NAME)).body) + wire_overhead() + len('{"requests":[]}')
    line_of(a_request(NAME), limits=Limits(max_bytes=size))
    with pytest.raises(PayloadError, match=f"{size - 1:,}") as caught:
        line_of(a_request(NAME), limits=Limits(max_bytes=size - 1))
    assert caught.value.code == "request_too_large"


def test_both_forms_of_a_request_are_the_same_line() -> None:
    plain = a_request(NAME)
    wrapped = {"custom_id": NAME, "params": without(plain, "custom_id")}
    assert line_of(plain) == line_of(wrapped)


def test_the_model_of_the_call_fills_in_and_the_requests_own_wins() -> None:
    assert b'"model":"claude-sonnet-4-6"' in line_of(a_request(NAME)).body
    assert b'"model":"claude-opus-5"' in line_of(a_request(NAME, model="claude-opus-5")).body


def test_a_request_is_not_changed_by_the_check() -> None:
    request = a_request(NAME)
    before = dict(request)
    line_of(request)
    assert request == before


def test_the_digest_changes_with_the_body_and_with_nothing_else() -> None:
    assert line_of(a_request(NAME)).digest == line_of(a_request(NAME)).digest
    assert line_of(a_request(NAME)).digest != line_of(a_request(NAME, max_tokens=65)).digest


@pytest.mark.parametrize("tag", ["", "   ", "a\nb", "a\x1b[2J", "\ud800", "x" * 201])
def test_an_empty_or_unprintable_tag_is_rejected(tag: str) -> None:
    with pytest.raises(PayloadError) as caught:
        check_tag(tag)
    assert caught.value.code == ("tag_invalid" if tag.strip() else "tag_missing")


@pytest.mark.parametrize("tag", ["daily-feed", "Größe 7/8", "../x", "x" * 200])
def test_any_readable_tag_is_good(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    ("custom_id", "found"),
    [
        ("feed-classify-2026-05-02-007", ("feed-classify", "2026-05-02")),
        ("a-2026-05-02-2026-05-03-1", ("a-2026-05-02", "2026-05-03")),
        ("feed-classify-007", ("the-tag", "2026-11-22")),
        ("2026-05-02-007", ("the-tag", "2026-11-22")),
        ("feed-2026-05-02-x7", ("the-tag", "2026-11-22")),
    ],
)
def test_workflow_and_date_come_from_the_convention_or_the_tag(
    custom_id: str, found: tuple[str, str]
) -> None:
    assert workflow_and_date(custom_id, "the-tag", "2026-11-22") == found
