"""Policy `sync`: what the API definitely did not accept runs at once, what is unconfirmed never."""

import json
from pathlib import Path

import pytest
from support.builders import BASE_URL, KEY, Bench, a_request, some_requests
from support.lifecycle import batches, poll_until_done, requests, results, statuses

from core.api.client import AnthropicApi
from core.batches.synchronous import sync_run as runs
from core.batches.synchronous.parallel_calls import ParallelCalls
from core.errors import NoResponse
from core.intake.options import SubmitOptions
from state.batches import batch_planning, sending, sync_runs
from state.files.answers_file import answers_file
from state.model.records import BatchKind, OnFailure, RequestStatus
from titan_console.sandbox.http.transport import client

SYNC = OnFailure.SYNC


@pytest.mark.parametrize("fault", ["create:429:retry=60", "create:connect", "list:connect"])
def test_requests_definitely_not_accepted_run_at_once(bench: Bench, fault: str) -> None:
    bench.faults.add(fault)
    submitted = bench.submit(5, on_failure=SYNC)
    assert submitted.problem is None
    assert requests(bench) == {RequestStatus.SUCCEEDED: 5}
    kinds = [
        (batch.kind, str(batch.status)) for batch in sorted(batches(bench), key=lambda b: b.id)
    ]
    assert kinds == [(BatchKind.BATCH, "not_sent"), (BatchKind.SYNC, "ended")]
    assert len(bench.sandbox.billing_log().messages) == 5
    found = results(bench, submitted.submission.key)
    assert [bool(row["text"]) and row["cost_usd"] > 0 for row in found] == [True] * 5
    bench.faults.clear()
    poll_until_done(bench)
    assert not any(post.batch_id for post in bench.sandbox.billing_log().posts)
    (sync,) = [batch for batch in batches(bench) if batch.kind == BatchKind.SYNC]
    assert sync.cost_nano == sync.sync_cost_nano


def test_an_unconfirmed_batch_is_never_run_synchronously(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    assert bench.submit(3, on_failure=SYNC).problem
    assert statuses(bench) == ["unconfirmed"]
    assert bench.sandbox.billing_log().messages == ()
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert bench.sandbox.billing_log().creates == 1


def test_a_spend_cap_stops_the_run_too_and_the_work_waits(bench: Bench) -> None:
    bench.faults.add("any:spend-cap")
    assert bench.submit(3, on_failure=SYNC).problem
    assert requests(bench) == {RequestStatus.QUEUED: 3}
    bench.faults.clear()
    poll_until_done(bench, polls=80)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert bench.sandbox.billing_log().messages == ()


def test_a_run_whose_process_died_ends_with_what_it_brought(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    submission = bench.submit(3).submission
    context = bench.engine.context
    batch = sync_runs.begin(context.ledger, submission, runner="dead", max_bytes=1000)
    assert batch is not None
    run = ParallelCalls(context.api(), context.clock, betas=())
    (answered,) = run.results(list(runs._requests(context, batch, lambda: None))[:1])
    path = answers_file(bench.folder, batch.key)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(answered[0] + b"\n" + answered[0][:30])
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert len(bench.sandbox.billing_log().messages) == 1
    assert not path.exists()
    assert [row["custom_id"] for row in results(bench, "daily-feed")] == [
        request["custom_id"] for request in some_requests(3)
    ]


def test_a_run_of_a_process_that_lives_is_left_alone(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    submission = bench.submit(1).submission
    context = bench.engine.context
    with runs._try_lock(context, submission.key):
        assert (
            sync_runs.begin(context.ledger, submission, runner="alive", max_bytes=1000) is not None
        )
        assert bench.poll_after(7200).sent == 0
    assert "sending" in statuses(bench)
    assert bench.poll_after(900).sent == 1


def test_a_batch_that_another_poll_has_sent_is_not_withdrawn(bench: Bench) -> None:
    bench.faults.add("list:connect")
    submission = bench.submit(1).submission
    context = bench.engine.context
    (queued,) = sending.queued(context.ledger)
    sending.mark_sending(context.ledger, queued, watermark_id="", watermark_ts=None, owner="other")
    assert sync_runs.withdraw_queued(context.ledger, submission, "run now") == 0
    assert (
        batch_planning.plan_queued(
            context.ledger, max_requests=10, max_bytes=10_000, wire_overhead=65
        )
        == []
    )


def test_a_long_answer_is_streamed_and_a_short_one_is_not(bench: Bench) -> None:
    api = AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    asked = {
        "model": "claude-sonnet-4-6",
        "messages": [{"role": "user", "content": "Say something long."}],
        "system": "Be brief.",
    }
    short = json.loads(api.run_one({**asked, "max_tokens": 64}))
    long = json.loads(api.run_one({**asked, "max_tokens": 64_000}))
    assert short["type"] == long["type"] == "message"
    assert short["usage"]["input_tokens"] == long["usage"]["input_tokens"]
    assert long["content"][0]["text"]


def test_a_response_that_is_not_a_message_is_an_error_and_not_retried(bench: Bench) -> None:
    bench.faults.add("messages:garbage")
    bench.faults.add("create:429")
    bench.submit(2, on_failure=SYNC)
    assert requests(bench) == {RequestStatus.ERRORED: 2}
    assert len(bench.sandbox.billing_log().messages) == 2


def test_a_short_throttle_is_waited_out(bench: Bench) -> None:
    bench.faults.add("messages:429:times=2")
    bench.faults.add("create:429")
    bench.submit(2, on_failure=SYNC)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}


def test_what_only_a_batch_takes_waits_for_one_and_the_rest_is_answered(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    long = a_request("long", model="claude-opus-5", max_tokens=200_000)
    taken = bench.engine.submit([long, *some_requests(2)], SubmitOptions(tag="t", on_failure=SYNC))
    assert "too large for a synchronous call" in (taken.problem or "")
    assert [row["outcome"] for row in results(bench, "t")] == [None, "succeeded", "succeeded"]
    assert len(bench.sandbox.billing_log().messages) == 2
    bench.poll_after(3600)
    bench.poll_after(3600)
    assert [row["outcome"] for row in results(bench, "t")] == ["succeeded"] * 3


def test_every_failure_of_a_call_is_an_api_error(bench: Bench) -> None:
    bench.faults.add("messages:timeout")
    with pytest.raises(NoResponse):
        bench.api().run_one(
            {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user"}]}
        )


def test_answers_are_on_disk_before_the_ledger_hears_of_them(bench: Bench, tmp_path: Path) -> None:
    bench.faults.add("create:429")
    bench.submit(2, on_failure=SYNC)
    sync = next(batch for batch in batches(bench) if batch.kind == BatchKind.SYNC)
    lines = (tmp_path / "titan" / "batch-results" / f"{sync.key}.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert not list((tmp_path / "titan" / "batch-results").glob("*.answers"))
    assert not list((tmp_path / "titan" / "batch-results").glob("*.lock"))
