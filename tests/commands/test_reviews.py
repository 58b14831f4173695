"""Answers to review are counted, listed, replayed or acknowledged."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench

from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import PayloadError
from core.reporting import error_reports, status_report
from state.operations import commands, reviews
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import ledger_status
from titan_console.sandbox.model.timing import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """Three answers, of which the second was cut off."""
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("row:max-tokens:id=*-00002-*")
        bench.submit(3)
        bench.poll_after(60)
        bench.faults.clear()
        yield bench


def _order(bench: Bench, action: Action, wanted: Filter, **how: Any) -> str | None:
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=action, wanted=wanted, **how)
    )
    command, _ = planner.submit(bench.engine.context, planned, delay=timedelta())
    bench.poll_after(1)
    bench.poll_after(60)
    return commands.get(bench.engine.context.ledger, command.id).outcome


def test_a_cut_off_answer_is_counted_and_listed_apart_from_failures(bench: Bench) -> None:
    ledger = bench.engine.context.ledger
    totals = ledger_status.totals(ledger)
    assert (totals.succeeded, totals.failed_requests, totals.reviews) == (3, 0, 1)
    (row,) = reviews.rows(ledger, limit=9)
    assert (row.custom_id[-5:], row.review) == ("00002", "max_tokens")
    assert error_reports.review(row).review == "max_tokens"
    assert status_report.status(ledger, now_ts=ledger.now_text()).reviews == 1


def test_a_replay_by_stop_reason_takes_it_out_once_it_is_whole(bench: Bench) -> None:
    wanted = Filter(workflow="feed-classify", stop_reason="max_tokens")
    assert _order(bench, Action.REPLAY, wanted, changes={"max_tokens": 4096}) is not None
    assert reviews.count(bench.engine.context.ledger) == 0


def test_an_answer_replayed_without_success_still_needs_review(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    wanted = Filter(workflow="feed-classify", stop_reason="max_tokens")
    _order(bench, Action.REPLAY, wanted, changes={"max_tokens": 4096})
    assert reviews.count(bench.engine.context.ledger) == 1
    bench.faults.clear()
    assert _order(bench, Action.REPLAY, wanted, changes={"max_tokens": 4096}) is not None


def test_an_acknowledged_one_is_taken_as_it_is(bench: Bench) -> None:
    wanted = Filter(workflow="feed-classify")
    assert _order(bench, Action.ACKNOWLEDGE, wanted) == "1 answer accepted"
    assert reviews.count(bench.engine.context.ledger) == 0
    assert ledger_status.totals(bench.engine.context.ledger).succeeded == 3
    with pytest.raises(PayloadError, match="3 requests already succeeded"):
        _order(bench, Action.ACKNOWLEDGE, wanted)


def test_the_count_reads_a_small_index_and_no_attempts(bench: Bench) -> None:
    plan = bench.engine.context.ledger.rows(
        "EXPLAIN QUERY PLAN SELECT count(*) FROM attempts a JOIN requests r ON r.id = a.request_id"
        " AND r.settled_by = a.batch_id WHERE a.reviewed = 0 AND a.stop_reason IN ('refusal',"
        " 'max_tokens', 'pause_turn', 'model_context_window_exceeded')"
    )
    assert "attempts_for_review" in plan[0]["detail"]
