"""A full queue at the API: we wait for our own batches, and halve what does not fit."""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench

from core.batches.send import QUEUE_HOLD
from state.batches import leases
from state.model.records import BatchStatus
from state.queries import batch_list
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.provider import Limits
from titan_console.sandbox.model.timing import Plan

_HOUR = 3600


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """An API that takes 3,000 requests at once, with batches that end when a test says so."""
    with a_bench(tmp_path) as bench:
        bench.sandbox = Sandbox(
            bench.clock, seed=0, plan=Plan.manual(), faults=bench.faults, limits=Limits(queue=3000)
        )
        yield bench


def _sizes(bench: Bench, *statuses: BatchStatus) -> list[int]:
    ledger = bench.engine.context.ledger
    (submission,) = batch_list.submissions_of(ledger, "large")
    batches = batch_list.batches_of(ledger, submission)
    return [batch.request_count for batch in batches if batch.status in statuses]


def test_a_batch_that_does_not_fit_waits_for_ours_and_goes_in_halves(bench: Bench) -> None:
    bench.submit(1500, tag="small")
    (first,) = bench.sandbox.billing_log().batches
    assert "queue" in (bench.submit(2400, tag="large").problem or "")
    assert _sizes(bench, BatchStatus.QUEUED) == [1200, 1200]
    bench.poll_after(900)
    bench.poll_after(900)
    assert bench.sandbox.billing_log().creates == 2
    bench.sandbox.end(first.batch_id, dict.fromkeys(first.custom_ids, "succeeded"))
    assert bench.poll_after(900).sent == 2
    assert _sizes(bench, BatchStatus.IN_PROGRESS) == [1200, 1200]
    for book in bench.sandbox.billing_log().batches[1:]:
        bench.sandbox.end(book.batch_id, dict.fromkeys(book.custom_ids, "succeeded"))
    bench.poll_after(900)
    outcomes = [result["outcome"] for result in bench.engine.results("large")]
    assert outcomes == ["succeeded"] * 2400
    assert len(list(bench.sandbox.billing_log().billed())) == 3900


def test_a_queue_that_others_fill_is_tried_again_soon_and_small_batches_stay_whole(
    bench: Bench,
) -> None:
    bench.sandbox.add_foreign(tuple(f"theirs-{number}" for number in range(2000)))
    bench.submit(1500, tag="large")
    held = leases.active_hold(bench.engine.context.ledger, QUEUE_HOLD)
    assert held is not None
    assert _sizes(bench, BatchStatus.NOT_SENT) == [1500]
    assert _sizes(bench, BatchStatus.QUEUED) == []
    bench.poll_after(59)
    assert bench.sandbox.billing_log().creates == 1
    bench.poll_after(2)
    assert bench.sandbox.billing_log().creates == 2
    assert _sizes(bench, BatchStatus.NOT_SENT) == [1500, 1500]


def test_even_without_an_end_of_ours_it_is_tried_again_after_an_hour(bench: Bench) -> None:
    bench.submit(1500, tag="small")
    bench.submit(1900, tag="large")
    bench.poll_after(_HOUR - 1)
    assert bench.sandbox.billing_log().creates == 2
    bench.poll_after(2)
    assert bench.sandbox.billing_log().creates == 3
