"""One conformance suite for every transport, against the sandbox over a real connection."""

import json
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.api.cloud_auth import CheckedSandbox
from support.api.transports import (
    KEY,
    TRANSPORTS,
    WRONG_KEY,
    Surroundings,
    Transport,
    body_of,
    params,
    texts_in,
)

from core.api.protocol import BatchApi
from core.clock import SystemClock
from core.errors import (
    ApiError,
    Blocked,
    NoResponse,
    NotFound,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
    Unreachable,
)
from state.model.records import BatchStatus
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan

# The sandbox's fault, and what each transport makes of it.
ERRORS: dict[str, type[ApiError]] = {
    "401": Unauthorized,
    "402": Blocked,
    "403": Blocked,
    "412": Blocked,
    "credit": Blocked,
    "disabled": Blocked,
    "budget": Blocked,
    "redirect": Blocked,
    "html-403": Blocked,
    "404": NotFound,
    "429": RateLimited,
    "spend-cap": SpendCapReached,
    "usage-limit": SpendCapReached,
    "413": Rejected,
    "408": NoResponse,
    "409": NoResponse,
    "500": NoResponse,
    "502": NoResponse,
    "503": NoResponse,
    "504": NoResponse,
    "529": NoResponse,
    "html-502": NoResponse,
    "drop-before": NoResponse,
    "drop": NoResponse,
    "500-after": NoResponse,
    "garbage": NoResponse,
    "truncated": NoResponse,
}


# Of these calls the transport passes on the bytes, and the engine parses them.
_BYTES = frozenset(("results", "run_one"))
_PARSED = frozenset(("garbage", "truncated"))


@dataclass
class Wire:
    """A transport, and the sandbox at its other end."""

    transport: Transport
    api: BatchApi
    sandbox: CheckedSandbox
    address: str
    around: Surroundings
    remote_id: str = ""

    def message(self) -> bytes:
        """A synchronous call that goes over this transport."""
        return self.api.run_one(params(max_tokens=self.transport.max_tokens))


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, monkeypatch.setenv)


@contextmanager
def opened(transport: Transport, around: Surroundings, *faults: str) -> Generator[Wire, None, None]:
    sandbox = CheckedSandbox(
        SystemClock(), plan=Plan.instant(), faults=Faults.parse(faults), keys={KEY: "default"}
    )
    sandbox.accepts, sandbox.secret = transport.accepts, KEY
    with running(sandbox) as address:
        api = transport.opened(address, KEY, around)
        try:
            yield Wire(transport, api, sandbox, address, around)
        finally:
            api.close()


def over(*calls: str) -> pytest.MarkDecorator:
    """Run the test on each transport that serves these calls."""
    fit = [transport for transport in TRANSPORTS if transport.calls >= set(calls)]
    return pytest.mark.parametrize("transport", fit, ids=str)


def each_call() -> pytest.MarkDecorator:
    """Run the test for each call of each transport."""
    pairs = [(transport, call) for transport in TRANSPORTS for call in CALLS]
    fit = [(transport, call) for transport, call in pairs if call in transport.calls]
    return pytest.mark.parametrize(("transport", "call"), fit, ids=str)


CALLS: dict[str, Callable[[Wire], object]] = {
    "create": lambda wire: wire.api.create(body_of("a-1")),
    "list_page": lambda wire: wire.api.list_page(),
    "retrieve": lambda wire: wire.api.retrieve(wire.remote_id),
    "cancel": lambda wire: wire.api.cancel(wire.remote_id),
    "results": lambda wire: _results(wire, wire.remote_id),
    "run_one": Wire.message,
}
_FAULT_OF = {"list_page": "list", "run_one": "messages"}


def _results(wire: Wire, remote_id: str) -> bytes:
    with wire.api.results(remote_id) as pieces:
        return b"".join(pieces)


@over("create", "list_page", "retrieve", "results")
def test_a_batch_from_its_create_to_its_results(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire:
        made = wire.api.create(body_of("a-1", "a-2", "a-3"))
        assert made.remote.counts.total() == 3
        ended = wire.api.retrieve(made.remote.remote_id)
        assert (ended.status, ended.counts.succeeded) == (BatchStatus.ENDED, 3)
        page = wire.api.list_page()
        assert [batch.remote_id for batch in page.batches] == [made.remote.remote_id]
        assert made.account == page.account
        assert made.account is not None
        assert texts_in(_results(wire, made.remote.remote_id)).keys() == {"a-1", "a-2", "a-3"}
        assert wire.sandbox.billing_log().creates == 1


@over("create", "list_page")
def test_pages_follow_their_cursor_newest_first(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire:
        made = [wire.api.create(body_of(f"a-{n}")).remote.remote_id for n in range(5)]
        seen = list[str]()
        cursor, more = None, True
        while more:
            page = wire.api.list_page(after_id=cursor, limit=2)
            seen += [batch.remote_id for batch in page.batches]
            cursor, more = page.last_id, page.has_more
        assert seen == made[::-1]


@over("create", "cancel", "retrieve")
def test_a_cancelled_batch_says_so(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire:
        wire.sandbox.plan = Plan.parse("3600")
        made = wire.api.create(body_of("a-1"))
        assert wire.api.cancel(made.remote.remote_id).status is BatchStatus.CANCELING
        with pytest.raises(NotFound):
            _results(wire, made.remote.remote_id)


@over("create")
def test_betas_reach_the_api(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire:
        wire.api.create(
            body_of(
                "a-1",
                max_tokens=200_000,
                betas=("output-300k-2026-03-24",),
                model="claude-sonnet-4-6",
            )
        )
        with pytest.raises(Rejected, match="anthropic-beta"):
            wire.api.create(body_of("a-2", betas=("no-such-beta",)))


@over("run_one")
def test_a_synchronous_call_returns_the_message_as_json(
    transport: Transport, around: Surroundings
) -> None:
    with opened(transport, around) as wire:
        message = json.loads(wire.message())
        assert message["type"] == "message"
        assert message["stop_reason"] == "end_turn"
        assert message["content"][0]["text"]
        assert message["usage"]["output_tokens"] > 0
        (billed,) = wire.sandbox.billing_log().messages
        assert billed.usage["output_tokens"] == message["usage"]["output_tokens"]


@over("run_one")
def test_betas_of_a_synchronous_call_reach_the_api(
    transport: Transport, around: Surroundings
) -> None:
    with opened(transport, around) as wire, pytest.raises(Rejected, match="anthropic-beta"):
        wire.api.run_one(params(max_tokens=transport.max_tokens), betas=("no-such-beta",))


@over("run_one")
def test_what_the_api_calls_invalid_is_rejected_with_its_words(
    transport: Transport, around: Surroundings
) -> None:
    with opened(transport, around) as wire, pytest.raises(Rejected, match="no_such") as caught:
        wire.api.run_one(params(max_tokens=transport.max_tokens, no_such=1))
    assert caught.value.status == 400
    assert caught.value.error_type == "invalid_request_error"


@each_call()
def test_a_wrong_key_is_said_to_be_one(
    transport: Transport, call: str, around: Surroundings
) -> None:
    with opened(transport, around) as wire:
        wrong = transport.opened(wire.address, WRONG_KEY, around)
        with pytest.raises(Unauthorized) as caught:
            CALLS[call](Wire(transport, wrong, wire.sandbox, "", around, "msgbatch_1"))
        wrong.close()
        assert "sk-ant" not in str(caught.value)


@each_call()
def test_each_failure_is_the_same_error_over_each_transport(
    transport: Transport, call: str, around: Surroundings
) -> None:
    with opened(transport, around) as wire:
        wire.remote_id = wire.sandbox.add_foreign()
        for fault, error in ERRORS.items():
            if fault in _PARSED and call in _BYTES:
                continue
            wire.sandbox.faults.clear()
            wire.sandbox.faults.add(f"{_FAULT_OF.get(call, call)}:{fault}")
            with pytest.raises(ApiError) as caught:
                CALLS[call](wire)
            assert type(caught.value) is error, (fault, caught.value)
            assert "\n" not in str(caught.value)


@each_call()
def test_a_server_that_is_not_there_is_unreachable(
    transport: Transport, call: str, around: Surroundings
) -> None:
    api = transport.opened("http://127.0.0.1:9", KEY, around)
    with pytest.raises(Unreachable):
        CALLS[call](Wire(transport, api, CheckedSandbox(SystemClock()), "", around, "msgbatch_1"))
    api.close()


@over("create")
def test_a_create_is_sent_once_whatever_comes_back(
    transport: Transport, around: Surroundings
) -> None:
    with opened(transport, around) as wire:
        for number, fault in enumerate(ERRORS, 1):
            wire.sandbox.faults.clear()
            wire.sandbox.faults.add(f"create:{fault}")
            with pytest.raises(ApiError):
                wire.api.create(body_of("a-1"))
            assert wire.sandbox.calls == number, fault


@over("run_one")
def test_a_synchronous_call_is_sent_once_too(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire:
        for number, fault in enumerate(ERRORS, 1):
            wire.sandbox.faults.clear()
            wire.sandbox.faults.add(f"messages:{fault}")
            with suppress(ApiError):
                wire.message()
            assert wire.sandbox.calls == number, fault


@over("run_one")
def test_calls_at_once_do_not_share_an_answer(transport: Transport, around: Surroundings) -> None:
    with opened(transport, around) as wire, ThreadPoolExecutor(8) as pool:
        begun = [pool.submit(wire.message) for _ in range(24)]
        ids = {json.loads(call.result())["id"] for call in begun}
    assert len(ids) == 24
