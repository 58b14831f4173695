"""The transports of the API, for the conformance suite in tests/api/test_transports.py.

To add one, write how it is opened, and which calls it serves: each test of the suite that needs no
other call then runs on it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi, Body

MODEL = "claude-haiku-4-5"
BATCHES = frozenset(("create", "list_page", "retrieve", "results", "cancel"))


@dataclass(frozen=True)
class Transport:
    """How calls reach the API: `opened` takes a base URL and a key."""

    name: str
    opened: Callable[[str, str], BatchApi]
    # With so many tokens at most, the product sends a synchronous call over it.
    max_tokens: int
    calls: frozenset[str] = BATCHES | {"run_one"}

    def __str__(self) -> str:
        return self.name


def _direct(base_url: str, key: str) -> BatchApi:
    return AnthropicApi(base_url=base_url, api_key=key)


TRANSPORTS = (
    Transport("direct", _direct, max_tokens=64),
    # The client sends a long synchronous call through the SDK, and nothing else.
    Transport("sdk", _direct, max_tokens=30_000, calls=frozenset(("run_one",))),
)


def params(**changes: Any) -> dict[str, Any]:
    """The parameters of a request that the sandbox answers."""
    messages = [{"role": "user", "content": 'Tell me about harbours: Ü " \u2028'}]
    return {"model": MODEL, "max_tokens": 64, "messages": messages, **changes}


def body_of(*custom_ids: str, betas: tuple[str, ...] = (), **changes: Any) -> Body:
    """The body of a create, in small pieces."""
    rows = [{"custom_id": name, "params": params(**changes)} for name in custom_ids]
    raw = json.dumps({"requests": rows}).encode()
    pieces = [raw[start : start + 99] for start in range(0, len(raw), 99)]
    return Body(
        length=len(raw), pieces=lambda: iter(pieces), request_count=len(custom_ids), betas=betas
    )


def texts_in(results: bytes) -> Mapping[str, str]:
    """The texts of the answers, by custom_id."""
    lines = [json.loads(line) for line in results.splitlines()]
    return {line["custom_id"]: line["result"]["message"]["content"][0]["text"] for line in lines}
