"""Each call is the one that the official SDK would make, to the byte where it counts."""

import json
from collections.abc import Callable

import httpx2
import pytest
from anthropic import Anthropic
from support.api.mock_transport import BASE_URL, KEY, a_batch, a_body, an_api

from core.api.client import AnthropicApi

BETAS = ("output-300k-2026-03-24", "another")
PARAMS: dict[str, object] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": 'Ü " \u2028'}],
}
COMPARED = ("authorization", "anthropic-version", "anthropic-beta", "content-type", "accept")
CALLS: dict[str, tuple[Callable[[AnthropicApi], object], Callable[[Anthropic], object]]] = {
    "create": (
        lambda api: api.create(a_body(betas=BETAS)),
        lambda sdk: sdk.messages.batches.create(
            requests=json.loads(b"".join(a_body().pieces()))["requests"],
            extra_headers={"anthropic-beta": ",".join(BETAS)},
        ),
    ),
    "list": (
        lambda api: api.list_page(after_id="msgbatch_1", limit=7),
        lambda sdk: sdk.messages.batches.list(after_id="msgbatch_1", limit=7),
    ),
    "retrieve": (
        lambda api: api.retrieve("msgbatch_1"),
        lambda sdk: sdk.messages.batches.retrieve("msgbatch_1"),
    ),
    "retrieve of an odd id": (
        lambda api: api.retrieve("a/b?c#d"),
        lambda sdk: sdk.messages.batches.retrieve("a/b?c#d"),
    ),
    "cancel": (
        lambda api: api.cancel("msgbatch_1"),
        lambda sdk: sdk.messages.batches.cancel("msgbatch_1"),
    ),
    "message": (
        lambda api: api.run_one(PARAMS, betas=BETAS),
        lambda sdk: sdk.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            body=PARAMS,
            options={"headers": {"anthropic-beta": ",".join(BETAS)}},
        ),
    ),
}


class Wire:
    """Answers each call with a batch that is a page, too, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.asked.append(request)
        return httpx2.Response(200, json=a_batch(data=[a_batch()], has_more=False, last_id="x"))


def told(request: httpx2.Request) -> dict[str, object]:
    """What of a request the API looks at."""
    body = json.loads(request.content) if request.content else None
    headers = {name: request.headers.get(name) for name in COMPARED if body or name != COMPARED[3]}
    url = request.url.copy_with(query=None)
    asked = {"method": request.method, "url": str(url), "query": dict(request.url.params)}
    return {**asked, "body": body, **headers}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_the_call_of_the_sdk(name: str) -> None:
    ours, theirs = CALLS[name]
    wire = Wire()
    ours(an_api(wire))
    client = httpx2.Client(transport=httpx2.MockTransport(wire))
    theirs(Anthropic(api_key=KEY, base_url=BASE_URL, max_retries=0, http_client=client))
    mine, its = wire.asked
    assert told(mine) == told(its)
    assert mine.headers["user-agent"] == "titan-console"


def test_results_are_requested_as_the_sdk_does() -> None:
    wire = Wire()
    with an_api(wire).results("msgbatch_1"):
        pass
    client = httpx2.Client(transport=httpx2.MockTransport(wire))
    sdk = Anthropic(api_key=KEY, base_url=BASE_URL, max_retries=0, http_client=client)
    sdk.get(
        "/v1/messages/batches/msgbatch_1/results",
        cast_to=httpx2.Response,
        options={"headers": {"accept": "application/binary"}},
    )
    mine, its = wire.asked
    assert told(mine) == told(its)
