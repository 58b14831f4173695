"""Requests that need the long output go into a batch of their own, alone with its header."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from support.builders import BASE_URL, KEY, START, Bench, a_bench, a_request

from core.api.client import AnthropicApi
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.engine import Engine
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from state.model.records import BatchKind, OnFailure
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list
from titan_console.sandbox.http.transport import SandboxTransport
from titan_console.sandbox.model.timing import Plan

LONG = "output-300k-2026-03-24"
Sent = list[tuple[str, str | None]]


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


@pytest.fixture
def sent() -> Sent:
    """The path and the beta header of every POST that was sent."""
    return []


@pytest.fixture
def engine(bench: Bench, sent: Sent) -> Engine:
    def note(request: httpx2.Request) -> None:
        if request.method == "POST":
            sent.append((request.url.path, request.headers.get("anthropic-beta")))

    client = httpx2.Client(
        transport=SandboxTransport(bench.sandbox), event_hooks={"request": [note]}
    )
    api = AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=client)
    return bench.new_engine(api=lambda: api)


def _mixed() -> list[dict[str, object]]:
    return [
        a_request("short-1"),
        a_request("long-1", max_tokens=200_000),
        a_request("short-2", max_tokens=128_000),
        a_request("long-2", max_tokens=300_000),
    ]


def _outcomes(engine: Engine) -> dict[str, str | None]:
    return {result["custom_id"]: result["outcome"] for result in engine.results("t")}


def test_the_header_goes_with_that_batch_alone(engine: Engine, bench: Bench, sent: Sent) -> None:
    taken = engine.submit(_mixed(), SubmitOptions(tag="t")).submission
    assert sent == [("/v1/messages/batches", None), ("/v1/messages/batches", LONG)]
    assert [len(post.custom_ids) for post in bench.sandbox.billing_log().posts] == [2, 2]
    batches = batch_list.batches_of(engine.context.ledger, taken)
    assert [batch.betas for batch in batches] == [(), (LONG,)]
    bench.clock.advance(60)
    engine.poll()
    assert list(_outcomes(engine).items()) == [
        (str(request["custom_id"]), "succeeded") for request in _mixed()
    ]
    assert engine.submit(_mixed(), SubmitOptions(tag="t")).repeated


def test_other_betas_go_with_both(engine: Engine, sent: Sent) -> None:
    engine.submit(_mixed(), SubmitOptions(tag="t", betas=("context-1m-2025-08-07", LONG)))
    assert [betas for _, betas in sent] == [
        "context-1m-2025-08-07",
        f"context-1m-2025-08-07,{LONG}",
    ]


def test_a_replay_that_asks_for_more_takes_the_header_and_one_for_less_drops_it(
    engine: Engine, bench: Bench, sent: Sent
) -> None:
    engine.submit([a_request("a"), a_request("b")], SubmitOptions(tag="t"))
    bench.clock.advance(60)
    engine.poll()
    for most, header in ((200_000, LONG), (4096, None)):
        sent.clear()
        planned = planner.plan(
            engine.context,
            CommandRequest(
                action=Action.REPLAY,
                wanted=Filter(names=("a",)),
                changes={"max_tokens": most},
                force=True,
            ),
        )
        planner.submit(engine.context, planned, delay=timedelta())
        for _ in range(3):
            bench.clock.advance(60)
            engine.poll()
        assert sent == [("/v1/messages/batches", header)]
        assert _outcomes(engine) == {"a": "succeeded", "b": "succeeded"}
    assert engine.submit([a_request("a"), a_request("b")], SubmitOptions(tag="t")).repeated


def test_a_batch_that_was_not_sent_is_sent_again_with_its_header(
    engine: Engine, bench: Bench, sent: Sent
) -> None:
    bench.faults.add("create:429:times=1")
    engine.submit(_mixed(), SubmitOptions(tag="t"))
    sent.clear()
    bench.clock.advance(3600)
    engine.poll()
    assert {header for _, header in sent} == {None, LONG}
    assert sorted(len(post.custom_ids) for post in bench.sandbox.billing_log().posts) == [2, 2, 2]


def test_a_synchronous_run_leaves_them_to_their_batch(
    engine: Engine, bench: Bench, sent: Sent
) -> None:
    bench.sandbox.plan = Plan.manual(cancel=30)
    deadline = START + timedelta(hours=4)
    submitted = engine.submit(_mixed(), SubmitOptions(tag="t", deadline=deadline))
    (warning,) = submitted.warnings
    assert "max_tokens too large for a synchronous call" in warning
    sent.clear()
    for _ in range(3):
        bench.clock.advance(3600)
        engine.poll()
    assert sent.count(("/v1/messages", None)) == 2
    assert {betas for _, betas in sent} == {None}
    assert _outcomes(engine)["short-1"] == "succeeded"
    assert _outcomes(engine)["long-1"] is None
    (long,) = (
        batch
        for batch in batch_list.batches_of(engine.context.ledger, submitted.submission)
        if batch.betas
    )
    bench.sandbox.end(long.remote_id or "", {})
    bench.clock.advance(60)
    engine.poll()
    assert set(_outcomes(engine).values()) == {"succeeded"}
    assert len(list(bench.sandbox.billing_log().billed())) == 4


def test_a_run_at_once_has_a_call_for_every_set_of_headers(
    engine: Engine, bench: Bench, sent: Sent
) -> None:
    bench.faults.add("create:429:times=1")
    fable = a_request("fable", model="claude-fable-5", max_tokens=64)
    options = SubmitOptions(tag="t", betas=("context-1m-2025-08-07",), on_failure=OnFailure.SYNC)
    taken = engine.submit([*_mixed(), fable], options).submission
    kinds = [batch.kind for batch in batch_list.batches_of(engine.context.ledger, taken)]
    assert kinds == [BatchKind.BATCH, BatchKind.BATCH, BatchKind.SYNC]
    assert sent[1:] == [("/v1/messages", "context-1m-2025-08-07")] * 3


def test_sync_by_hand_says_why_it_leaves_them(engine: Engine, bench: Bench) -> None:
    bench.sandbox.plan = Plan.manual()
    engine.submit([a_request("long", max_tokens=200_000)], SubmitOptions(tag="t"))
    with pytest.raises(
        PayloadError, match="1 request is above the output limit of a synchronous call"
    ):
        planner.plan(
            engine.context, CommandRequest(action=Action.SYNC, wanted=Filter(names=("t",)))
        )
