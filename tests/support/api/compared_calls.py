"""Each call as the product and as the official SDK make it, and what a gateway sees of both."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anthropic
import httpx2
from support.api.recording_gateway import Arrived
from support.api.transports import body_of, params

from core.api.protocol import BatchApi
from core.errors import ApiError

_BETAS = ("output-300k-2026-03-24",)
_BODY = body_of("a-1", betas=_BETAS)
# With so many tokens the product sends a synchronous call through the SDK.
LONG = 30_000
CALLS: Mapping[
    str, tuple[Callable[[BatchApi], object], Callable[[anthropic.Anthropic], object]]
] = {
    "create": (
        lambda api: api.create(_BODY),
        lambda sdk: sdk.messages.batches.create(
            requests=json.loads(b"".join(_BODY.pieces()))["requests"],
            extra_headers={"anthropic-beta": ",".join(_BETAS)},
        ),
    ),
    "list": (
        lambda api: api.list_page(limit=7),
        lambda sdk: sdk.messages.batches.list(limit=7),
    ),
    "retrieve": (
        lambda api: api.retrieve("msgbatch_1"),
        lambda sdk: sdk.messages.batches.retrieve("msgbatch_1"),
    ),
    "cancel": (
        lambda api: api.cancel("msgbatch_1"),
        lambda sdk: sdk.messages.batches.cancel("msgbatch_1"),
    ),
    "message": (
        lambda api: api.run_one(params()),
        lambda sdk: sdk.post("/v1/messages", cast_to=httpx2.Response, body=params()),
    ),
    "long message": (
        lambda api: api.run_one(params(max_tokens=LONG)),
        lambda sdk: _streamed(sdk, params(max_tokens=LONG)),
    ),
}
# What differs between two programs, and between two calls of one; a signature covers the time.
_OWN = ("user-agent", "content-length", "transfer-encoding", "accept", "connection", "x-amz-date")


def make_calls(api: BatchApi) -> None:
    """Each call, as the product makes it; the gateway's answers do not matter."""
    for call in CALLS.values():
        _try(lambda call=call: call[0](api))


def make_sdk_calls(sdk: anthropic.Anthropic) -> None:
    """Each call, as the SDK makes it."""
    for call in CALLS.values():
        _try(lambda call=call: call[1](sdk))


def table(calls: Iterable[Arrived]) -> list[tuple[object, ...]]:
    """A row for each call: what a gateway may look at."""
    return [(call.method, call.path, call.host, call.proxied, _headers(call)) for call in calls]


def differing(ours: list[tuple[object, ...]], theirs: list[tuple[object, ...]]) -> dict[str, Any]:
    """The calls that arrive differently, with both rows; every call must have arrived."""
    assert len(ours) == len(CALLS)
    return {
        name: (mine, its)
        for name, mine, its in zip(CALLS, ours, theirs, strict=True)
        if mine != its
    }


def _headers(call: Arrived) -> dict[str, str]:
    return {
        name: "signed" if value.startswith("AWS4-HMAC-SHA256") else value
        for name, value in call.headers.items()
        if name not in _OWN
        and not name.startswith("x-stainless")
        # The SDK announces JSON without a body, too.
        and not (name == "content-type" and call.is_empty)
    }


def _streamed(sdk: anthropic.Anthropic, request: dict[str, Any]) -> object:
    with sdk.messages.stream(**request) as stream:
        return stream.get_final_message()


def _try(call: Callable[[], object]) -> None:
    try:
        call()
    except (ApiError, anthropic.APIError):
        return
