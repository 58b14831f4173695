"""What the sandbox's tests share: a sandbox with a clock in hand, and calls to it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anthropic

from core.clock import ManualClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.http_messages import HttpRequest, HttpResponse
from titan_console.sandbox.model.provider import Limits
from titan_console.sandbox.model.timing import Plan

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HAIKU = "claude-haiku-4-5"
HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21", "host": "api.test"}
BATCHES = "/v1/messages/batches"

Json = dict[str, Any]


@dataclass
class SandboxClient:
    """A sandbox, its clock, and short ways to call it."""

    sandbox: Sandbox
    clock: ManualClock

    def call(
        self, method: str, path: str, body: Any = None, *, query: Json | None = None, **headers: str
    ) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        return self.sandbox.handle(
            HttpRequest(
                method=method, path=path, query=query or {}, headers=HEADERS | named, body=raw
            )
        )

    def json(self, method: str, path: str, body: Any = None, **more: Any) -> Json:
        return json.loads(self.call(method, path, body, **more).read())

    def create(self, *custom_ids: str, **params: Any) -> str:
        made = self.json("POST", BATCHES, create_body(custom_ids or ("a",), **params))
        return made["id"]

    def retrieve(self, batch_id: str, **headers: Any) -> Json:
        return self.json("GET", f"{BATCHES}/{batch_id}", **headers)

    def lines(self, batch_id: str) -> dict[str, Json]:
        text = self.call("GET", f"{BATCHES}/{batch_id}/results").read().decode()
        parsed = [json.loads(line) for line in text.splitlines()]
        return {line["custom_id"]: line["result"] for line in parsed}

    def sdk(self, key: str = "k") -> anthropic.Anthropic:
        return anthropic.Anthropic(
            api_key=key,
            base_url="https://api.test",
            http_client=client(self.sandbox),
            max_retries=0,
        )


def a_desk(
    *faults: str,
    plan: Plan | None = None,
    limits: Limits | None = None,
    keys: dict[str, str] | None = None,
    seed: int = 0,
) -> SandboxClient:
    clock = ManualClock(START)
    rules = Faults.parse(faults, seed=seed)
    sandbox = Sandbox(clock, seed=seed, plan=plan, faults=rules, limits=limits, keys=keys)
    return SandboxClient(sandbox, clock)


def a_params(text: str = "Tell me about harbours.", **changes: Any) -> Json:
    base = {"model": HAIKU, "max_tokens": 512, "messages": [{"role": "user", "content": text}]}
    return {name: value for name, value in (base | changes).items() if value is not ...}


def a_request(custom_id: str = "a", **params: Any) -> Json:
    return {"custom_id": custom_id, "params": a_params(**params)}


def create_body(custom_ids: Sequence[str], **params: Any) -> Json:
    return {"requests": [a_request(custom_id, **params) for custom_id in custom_ids]}
