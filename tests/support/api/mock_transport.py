"""A client on a wire that a test holds in its hands."""

import json
from collections.abc import Callable

import httpx2

from core.api.client import AnthropicApi
from core.api.protocol import Body

KEY = "sk-ant-test"
BASE_URL = "https://api.anthropic.com"
Handler = Callable[[httpx2.Request], httpx2.Response]


def an_api(handler: Handler, *, base_url: str = BASE_URL) -> AnthropicApi:
    """The real client; the network is that function."""
    http_client = httpx2.Client(transport=httpx2.MockTransport(handler))
    return AnthropicApi(api_key=KEY, base_url=base_url, http_client=http_client)


def answering(
    status: int = 200,
    *,
    body: object = None,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Handler:
    """Answers every call alike."""
    raw = content if content is not None else json.dumps(body).encode()
    return lambda _request: streamed(status, raw, headers)


def streamed(status: int, content: bytes, headers: dict[str, str] | None = None) -> httpx2.Response:
    """An answer that comes over the wire, as a real one does."""
    return httpx2.Response(status, content=iter([content]), headers=headers)


def a_body(count: int = 1, *, betas: tuple[str, ...] = ()) -> Body:
    """A create's body in three pieces."""
    rows: list[dict[str, object]] = [
        {"custom_id": f"a-{number}", "params": {}} for number in range(count)
    ]
    raw = json.dumps({"requests": rows}).encode()
    pieces = [raw[:5], raw[5:9], raw[9:]]
    return Body(length=len(raw), pieces=lambda: iter(pieces), request_count=count, betas=betas)


def a_batch(**fields: object) -> dict[str, object]:
    """A batch as the API describes it."""
    return {
        "id": "msgbatch_01AbC",
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {
            "processing": 1,
            "succeeded": 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        "ended_at": None,
        "created_at": "2026-08-19T14:49:30.044811+00:00",
        "expires_at": "2026-08-20T14:49:30.044811+00:00",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
        **fields,
    }
