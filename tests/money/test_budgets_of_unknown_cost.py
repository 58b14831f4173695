"""A budget holds requests whose cost has no upper bound, queued or sent."""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is
from support.ledgers.budgets import AUTOMATIC, budget_alerts, failed, limit, plan, used

from core.errors import OverBudget
from core.intake.options import SubmitOptions
from state.operations.commands import Action
from titan_console.sandbox.model.timing import Plan

_UNKNOWN = [
    {"model": "claude-next-9"},
    {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
]


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once."""
    with a_bench(tmp_path / "home", plan=Plan.instant()) as made:
        yield made


@pytest.mark.parametrize(
    ("more", "named"),
    list(zip(_UNKNOWN, ("claude-next-9", "web_search without max_uses"), strict=True)),
)
def test_queued_requests_of_unknown_cost_are_held_once_a_budget_is_set(
    bench: Bench, more: dict[str, object], named: str
) -> None:
    bench.faults.add("create:connect")
    requests = [{**request, **more} for request in some_requests(2)]
    bench.engine.submit(requests, SubmitOptions(tag="t"))
    bench.faults.clear()
    limit(bench, 1)
    (problem,) = bench.poll_after(60).problems
    assert f"stays queued. Cannot check the daily budget: {named} has no" in problem
    assert list(budget_alerts(bench).values()) == [problem]
    assert bench.sandbox.billing_log().creates == 0


@pytest.mark.parametrize("action", [Action.REPLAY, Action.SYNC])
def test_a_preview_says_why_the_cost_at_most_is_not_known(bench: Bench, action: Action) -> None:
    bench.faults.add("row:overloaded:p=1")
    search = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    bench.engine.submit([some_requests(1)[0] | search], SubmitOptions(tag="open"))
    bench.poll_after(60)
    key = failed(bench, 1)
    (note,) = plan(bench, action, "open").preview.notes
    assert "web_search without max_uses has no upper bound" in note
    bench.faults.add("row:overloaded:p=1")
    unpriced = [{**request, "model": "claude-next-9"} for request in some_requests(2)]
    bench.engine.submit(unpriced, SubmitOptions(tag="next"))
    bench.poll_after(60)
    (note,) = plan(bench, action, "next").preview.notes
    assert "claude-next-9 (2 requests)" in note
    assert plan(bench, action, key).preview.notes == ()


def test_what_the_job_states_later_counts_for_queued_requests(bench: Bench) -> None:
    bench.faults.add("create:connect")
    search = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    requests = [{**request, **search} for request in some_requests(2)]
    bench.engine.submit(requests, SubmitOptions(tag="t", workflow="feed-classify"))
    bench.faults.clear()
    stated = f"{AUTOMATIC}unbounded_request_usd = 0.4\n"
    limit(bench, 0.5, stated)
    (problem,) = bench.poll_after(60).problems
    assert "Over the daily budget: $0.00 is spent or reserved, this may add $0.80" in problem
    limit(bench, 1, stated)
    assert bench.poll_after(60).sent == 1
    assert used(bench) == 800_000_000


@pytest.mark.parametrize("more", _UNKNOWN)
def test_what_was_sent_at_an_unknown_cost_holds_a_budget_that_is_set_later(
    tmp_path: Path, more: dict[str, object]
) -> None:
    with a_bench(tmp_path / "home") as bench:
        first, second = some_requests(2)
        options = SubmitOptions(tag="t", workflow="feed-classify")
        bench.engine.submit([first, {**second, **more}], options)
        limit(bench, 5, AUTOMATIC)
        with pytest.raises(OverBudget, check=code_is("budget_without_bound")):
            bench.submit(1)


def test_what_the_job_states_later_counts_for_requests_that_were_sent(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        requests = [{**request, **_UNKNOWN[1]} for request in some_requests(2)]
        bench.engine.submit(requests, SubmitOptions(tag="t", workflow="feed-classify"))
        limit(bench, 0.8, f"{AUTOMATIC}unbounded_request_usd = 0.4\n")
        with pytest.raises(OverBudget, match=r"\$0\.80 is spent or reserved"):
            bench.submit(1)
        assert used(bench) == 800_000_000


class _Killed(BaseException):
    """A kill at a crash point."""


def _kill_after_the_estimate(name: str) -> None:
    if name == "estimate:done":
        raise _Killed


def test_a_kill_after_the_estimate_of_a_queued_batch_sends_nothing_beyond_the_limit(
    bench: Bench,
) -> None:
    bench.faults.add("create:connect")
    requests = [{**request, **_UNKNOWN[1]} for request in some_requests(2)]
    bench.engine.submit(requests, SubmitOptions(tag="t", workflow="feed-classify"))
    bench.faults.clear()
    limit(bench, 0.5, f"{AUTOMATIC}unbounded_request_usd = 0.4\n")
    bench.engine.context.ledger.crash_point = _kill_after_the_estimate
    with pytest.raises(_Killed):
        bench.poll_after(60)
    bench.close()
    bench.engine = bench.new_engine("next")
    bench.poll_after(3600)
    assert bench.sandbox.billing_log().creates == 0


def test_a_kill_after_the_estimate_of_what_was_sent_keeps_its_reservation(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        requests = [{**request, **_UNKNOWN[1]} for request in some_requests(2)]
        bench.engine.submit(requests, SubmitOptions(tag="t", workflow="feed-classify"))
        limit(bench, 0.8, f"{AUTOMATIC}unbounded_request_usd = 0.4\n")
        bench.engine.context.ledger.crash_point = _kill_after_the_estimate
        with pytest.raises(_Killed):
            bench.submit(1)
        bench.close()
        bench.engine = bench.new_engine("next")
        with pytest.raises(OverBudget, check=code_is("over_budget")):
            bench.submit(1)
        assert used(bench) == 800_000_000
