"""Every call of the SDK's Message Batches against a sandbox.

The SDK's own tests make these calls against a mock server, and are no part of its package. Here
each is made plain, raw and streaming, by the synchronous and the asynchronous client, with and
without the beta namespace, and the SDK validates each response against its types.

Usage: python tests/sandbox/sdk_batch_calls.py [BASE_URL]; without one it serves its own sandbox.
"""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

import anthropic
from anthropic.types.beta.messages import (
    BetaDeletedMessageBatch,
    BetaMessageBatch,
    BetaMessageBatchIndividualResponse,
)
from anthropic.types.messages import (
    DeletedMessageBatch,
    MessageBatch,
    MessageBatchIndividualResponse,
)

from core.clock import SystemClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan

BETAS = ["message-batches-2024-09-24"]
WORKSPACE = {"workspace_id": "wrkspc_011CZkZaBF1tNoB5wlCeusgy"}
REQUEST: Any = {
    "custom_id": "my-custom-id-1",
    "params": {
        "max_tokens": 64,
        "messages": [{"content": "Hello, world", "role": "user"}],
        "model": "claude-opus-5-5",
        "metadata": {"user_id": "13803d75-b4b5-4c3e-b2a2-6f21399b021b"},
        "service_tier": "auto",
        "stop_sequences": ["string"],
        "system": [
            {"text": "Today's date is 2026-11-28.", "type": "text"},
            {"text": "x", "type": "text", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "tools": [
            {
                "name": "name",
                "input_schema": {
                    "type": "object",
                    "properties": {"location": {"type": "string"}},
                    "required": ["location"],
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Space:
    """A namespace of batches, and the types of its responses."""

    name: str
    batches: Callable[[Any], Any]
    extra: dict[str, Any]
    batch: type
    deleted: type
    line: type


def _messages(sdk: Any) -> Any:
    return sdk.messages.batches


def _beta(sdk: Any) -> Any:
    return sdk.beta.messages.batches


SPACES = (
    Space(
        name="messages",
        batches=_messages,
        extra={},
        batch=MessageBatch,
        deleted=DeletedMessageBatch,
        line=MessageBatchIndividualResponse,
    ),
    Space(
        name="beta.messages",
        batches=_beta,
        extra={"betas": BETAS},
        batch=BetaMessageBatch,
        deleted=BetaDeletedMessageBatch,
        line=BetaMessageBatchIndividualResponse,
    ),
)
Check = Callable[[Any, Space], Awaitable[None]]


async def done(value: Any) -> Any:
    """The value, or that of the awaitable."""
    return await value if inspect.isawaitable(value) else value


async def items(value: Any) -> list[Any]:
    """All items of an iterator of either client."""
    if isinstance(value, AsyncIterator) or hasattr(value, "__aiter__"):
        return [item async for item in cast("AsyncIterator[Any]", value)]
    return list(cast("list[Any]", value))


async def is_a_batch(found: Any, space: Space) -> None:
    assert isinstance(found, space.batch), found
    assert found.id.startswith("msgbatch_")  # type: ignore[attr-defined]


async def is_a_page(found: Any, space: Space) -> None:
    assert found.data
    assert all(isinstance(one, space.batch) for one in await items(found))


async def is_deleted(found: Any, space: Space) -> None:
    assert isinstance(found, space.deleted), found


async def are_results(found: Any, space: Space) -> None:
    (line,) = await items(found)
    assert isinstance(line, space.line), line
    assert (line.custom_id, line.result.type) == ("my-custom-id-1", "succeeded")


# Method -> its arguments, from the ids of three batches, the newest first; and its check.
METHODS: dict[str, tuple[str, Callable[[list[str]], dict[str, Any]], Check]] = {
    "create": ("create", lambda _ids: {"requests": [REQUEST]}, is_a_batch),
    "create in a workspace": (
        "create",
        lambda _ids: {"requests": [REQUEST], "user_profile_id": "user_profile_id", **WORKSPACE},
        is_a_batch,
    ),
    "retrieve": ("retrieve", lambda ids: {"message_batch_id": ids[0]}, is_a_batch),
    "list": ("list", lambda _ids: {}, is_a_page),
    "list after": ("list", lambda ids: {"after_id": ids[0], "limit": 1, **WORKSPACE}, is_a_page),
    "list before": ("list", lambda ids: {"before_id": ids[1], "limit": 1}, is_a_page),
    "cancel": ("cancel", lambda ids: {"message_batch_id": ids[0]}, is_a_batch),
    "results": ("results", lambda ids: {"message_batch_id": ids[1]}, are_results),
    "delete": ("delete", lambda ids: {"message_batch_id": ids[2]}, is_deleted),
}
WITH_ID = ("retrieve", "cancel", "results", "delete")
WAYS = ("plain", "raw", "streaming")


async def call(
    batches: Any, way: str, method: str, given: dict[str, Any], check: Check, space: Space
) -> None:
    """Make one call, and check its response."""
    if way == "plain":
        await check(await done(getattr(batches, method)(**given)), space)
        return
    if way == "raw":
        response = await done(getattr(batches.with_raw_response, method)(**given))
        assert response.is_closed is (method != "results")
        assert response.http_request.headers.get("x-stainless-lang") == "python"
        await check(await done(response.parse()), space)
        return
    async with AsyncExitStack() as stack:
        opened = getattr(batches.with_streaming_response, method)(**given)
        if hasattr(opened, "__aenter__"):
            response = await stack.enter_async_context(opened)
        else:
            response = stack.enter_context(opened)
        assert not response.is_closed
        assert response.http_request.headers.get("x-stainless-lang") == "python"
        await check(await done(response.parse()), space)
    assert response.is_closed


async def cases(base_url: str) -> AsyncIterator[tuple[str, Exception | None]]:
    """The name of each case, and what went wrong."""
    for kind in (anthropic.Anthropic, anthropic.AsyncAnthropic):
        sdk = kind(
            api_key="any", base_url=base_url, max_retries=0, _strict_response_validation=True
        )
        for space in SPACES:
            batches = space.batches(sdk)
            ids = [await ended_batch(batches) for _ in range(3)][::-1]
            for way in WAYS:
                for name, (method, arguments, check) in METHODS.items():
                    given = arguments(ids) | space.extra
                    title = f"{kind.__name__} {space.name} {way} {name}"
                    yield title, await failure(call(batches, way, method, given, check, space))
                ids[2] = await ended_batch(batches)
            for method in WITH_ID:
                title = f"{kind.__name__} {space.name} {method} without an id"
                yield title, await failure(refuses_no_id(batches, method))
        await done(sdk.close())


async def ended_batch(batches: Any) -> str:
    """The id of a new batch."""
    made = await done(batches.create(requests=[REQUEST]))
    # An instant batch ends when it is read.
    await done(batches.retrieve(made.id))
    return made.id


async def refuses_no_id(batches: Any, method: str) -> None:
    try:
        await done(getattr(batches.with_raw_response, method)(message_batch_id=""))
    except ValueError as error:
        assert "non-empty value for `message_batch_id`" in str(error)  # noqa: PT017 - no test framework here
    else:
        raise AssertionError("an empty id is accepted")


async def failure(checked: Awaitable[None]) -> Exception | None:
    """What the check raised."""
    try:
        await checked
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is reported
        return error
    return None


async def run(base_url: str) -> list[tuple[str, Exception | None]]:
    """All cases."""
    return [case async for case in cases(base_url)]


def main(arguments: list[str]) -> int:
    """Print each case; 1 if one failed."""
    if arguments:
        found = asyncio.run(run(arguments[0]))
    else:
        with running(Sandbox(SystemClock(), plan=Plan.instant())) as base_url:
            found = asyncio.run(run(base_url))
    for title, error in found:
        sys.stdout.write(f"{'ok' if error is None else 'FAILED'}  {title}\n")
        if error is not None:
            sys.stdout.write(f"        {type(error).__name__}: {error}\n")
    failed = sum(error is not None for _, error in found)
    sys.stdout.write(f"{len(found)} calls, {failed} failed\n")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
