"""Requests above the 32 MB of a synchronous call run only in a batch."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench, a_request

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from core.requests.model_limits import MAX_CALL_BYTES
from state.model.records import BatchKind, OnFailure
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        yield bench


def _large() -> dict[str, object]:
    return a_request("large", messages=[{"role": "user", "content": "x" * MAX_CALL_BYTES}])


def test_the_deadline_guard_leaves_their_batch_alone(bench: Bench) -> None:
    deadline = START + timedelta(hours=4)
    taken = bench.engine.submit([_large()], SubmitOptions(tag="t", deadline=deadline))
    (warning,) = taken.warnings
    assert "a body or a max_tokens too large for a synchronous call" in warning
    for _ in range(5):
        bench.clock.advance(3600)
        bench.engine.poll()
    (batch,) = batch_list.batches_of(bench.engine.context.ledger, taken.submission)
    assert batch.cancel_ts is None
    bench.sandbox.end(batch.remote_id or "", {})
    bench.clock.advance(60)
    bench.engine.poll()
    assert [result["outcome"] for result in bench.engine.results("t")] == ["succeeded"]


def test_the_deadline_guard_cancels_the_batch_of_the_others_alone(bench: Bench) -> None:
    """Of the submission, and of what it sends again after a failed create."""
    deadline = START + timedelta(hours=4)
    bench.faults.add("create:429:times=1")
    requests = [a_request("small"), _large(), a_request("also-small")]
    taken = bench.engine.submit(requests, SubmitOptions(tag="t", deadline=deadline))
    for _ in range(5):
        bench.clock.advance(3600)
        bench.engine.poll()
    sent = [
        batch
        for batch in batch_list.batches_of(bench.engine.context.ledger, taken.submission)
        if batch.remote_id
    ]
    assert {b.request_count: b.cancel_ts is None for b in sent} == {2: False, 1: True}
    sent_ids = [name for post in bench.sandbox.billing_log().posts for name in post.custom_ids]
    assert sum(name.startswith("large-") for name in sent_ids) == 1


def test_a_forced_sync_says_so_before_it_cancels_anything(bench: Bench) -> None:
    bench.engine.submit([_large()], SubmitOptions(tag="t"))
    with pytest.raises(
        PayloadError, match="1 request is larger than the 32 MB of a synchronous call"
    ):
        planner.plan(
            bench.engine.context, CommandRequest(action=Action.SYNC, wanted=Filter(names=("t",)))
        )


def test_a_run_in_place_of_a_batch_leaves_them_queued(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    requests = [a_request("small"), _large()]
    taken = bench.engine.submit(requests, SubmitOptions(tag="t", on_failure=OnFailure.SYNC))
    assert "a body or a max_tokens too large" in (taken.problem or "")
    *_, run = batch_list.batches_of(bench.engine.context.ledger, taken.submission)
    assert (run.kind, run.request_count) == (BatchKind.SYNC, 1)
    bench.clock.advance(3600)
    bench.engine.poll()
    *_, post = bench.sandbox.billing_log().posts
    assert [name.rpartition("-")[0] for name in post.custom_ids] == ["large"]
