"""Budgets cover everything that spends: replays, synchronous runs, deadlines and late sends."""

import re
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is
from support.ledgers.budgets import (
    AUTOMATIC,
    budget_alerts,
    cost,
    failed,
    limit,
    one,
    order,
    plan,
    state,
    used,
)
from support.processes.terminal import Terminal

from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import OverBudget, SettingsError
from core.intake.options import SubmitOptions
from core.requests.payload import Limits
from state.model.records import BatchKind, OnFailure
from state.operations import commands
from state.operations.commands import Action, CommandState
from state.operations.selection import Filter
from titan_console.sandbox.model.timing import Plan

_DAY = 86_400


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once."""
    with a_bench(tmp_path / "home", plan=Plan.instant()) as made:
        yield made


def test_a_request_reserves_twice_as_much_for_a_synchronous_run(bench: Bench) -> None:
    bench.submit(1)
    assert one(bench, BatchKind.SYNC) == pytest.approx(2 * one(bench), rel=1e-4)


@pytest.mark.parametrize(("action", "times"), [(Action.REPLAY, 2.9), (Action.SYNC, 5.9)])
def test_a_command_over_budget_is_refused_with_the_numbers(
    bench: Bench, action: Action, times: float
) -> None:
    key = failed(bench, 3)
    limit(bench, times * one(bench))
    with pytest.raises(OverBudget) as refused:
        plan(bench, action, key)
    assert re.search(r"\$0.00 is spent or reserved, this may add \$0\.00\d\d", str(refused.value))
    assert ("at the full price" in str(refused.value)) == (action == Action.SYNC)
    assert commands.count(bench.engine.context.ledger) == 0
    limit(bench, (times + 0.2) * one(bench))
    assert plan(bench, action, key).preview.count == 3


@pytest.mark.parametrize("action", ["replay", "sync"])
def test_the_command_line_ends_with_2_and_the_preview_shows_the_numbers(
    bench: Bench, action: str
) -> None:
    key = failed(bench, 2)
    limit(bench, one(bench))
    terminal = Terminal(bench.folder.root, api_key=None)
    for option in ("--yes", "--dry-run"):
        done = terminal.run(action, key, option)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "Over the daily budget" in done.err
    limit(bench, 5 * one(bench))
    shown = terminal.run(action, key, "--dry-run")
    assert re.search(
        r"daily budget: \$0.00 of \$0.00\d\d is spent or reserved, this may add \$0.00\d\d",
        shown.out,
    )


def test_two_commands_that_each_fit_cannot_use_the_same_rest(bench: Bench) -> None:
    context = bench.engine.context
    limit(bench, 1)
    keys = [failed(bench, 2, tag) for tag in ("a", "b")]
    limit(bench, 3 * one(bench))
    changes = {"max_tokens": 63}
    plans = [
        planner.plan(
            context,
            CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)), changes=changes),
        )
        for key in keys
    ]
    first, _ = planner.submit(context, plans[0], delay=timedelta(minutes=5))
    with pytest.raises(OverBudget, check=code_is("over_budget")):
        planner.submit(context, plans[1], delay=timedelta(0))
    assert commands.count(context.ledger) == len(list(bench.folder.spool.glob("edit_*"))) == 1
    planner.withdraw(context, [first.key])
    assert used(bench) == 0


def test_a_command_reserves_the_same_from_when_it_is_written_until_it_is_sent(
    bench: Bench,
) -> None:
    limit(bench, 1)
    key = failed(bench, 3)
    request = CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)), canary=True)
    given = planner.plan(bench.engine.context, request)
    planner.submit(bench.engine.context, given, delay=timedelta(0))
    reserved = used(bench)
    assert reserved == pytest.approx(3e9 * one(bench))
    bench.faults.add("create:connect")
    bench.poll_after(0)
    assert used(bench) == reserved


def test_a_sync_command_that_no_longer_fits_cancels_nothing(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(9999, 9999)) as bench:
        key = bench.submit(2).submission.key
        limit(bench, 6.5 * one(bench))
        given = order(bench, Action.SYNC, key)
        limit(bench, 5.5 * one(bench))
        summary = bench.poll_after(0)
        assert state(bench, given)[0] == CommandState.FAILED
        assert any("at the full price" in problem for problem in summary.problems)
        (batch,) = bench.engine.context.ledger.rows("SELECT status, cancel_ts FROM batches")
        assert tuple(batch) == ("in_progress", None)
        assert bench.sandbox.billing_log().messages == ()


def test_a_running_sync_command_keeps_its_reservation_until_it_has_run(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(9999, 9999)) as bench:
        key = bench.submit(2).submission.key
        limit(bench, 6.5 * one(bench))
        order(bench, Action.SYNC, key)
        bench.poll_after(0)
        with pytest.raises(OverBudget):
            bench.submit(1, tag="other")
        bench.poll_after(60)
        assert len(bench.sandbox.billing_log().messages) == 2
        assert 0 < cost(bench) == used(bench)


def test_a_replay_counts_on_the_day_it_runs(bench: Bench) -> None:
    key = failed(bench, 2)
    limit(bench, 2.5 * one(bench))
    bench.clock.advance(_DAY)
    today = bench.clock.now().date().isoformat()
    order(bench, Action.REPLAY, key)
    bench.poll_after(0)
    assert used(bench, day=today) == used(bench) > 0
    with pytest.raises(OverBudget):
        bench.submit(2, tag="more")
    bench.poll_after(60)
    assert used(bench, day=today) == cost(bench) > 0
    bench.clock.advance(_DAY)
    assert used(bench, day=bench.clock.now().date().isoformat()) == 0


def test_automatic_replays_over_budget_are_held_with_an_alert_until_they_fit(bench: Bench) -> None:
    limit(bench, 1, AUTOMATIC)
    bench.faults.add("row:overloaded:p=1")
    bench.submit(3)
    bench.clock.advance(60)
    limit(bench, 2.5 * one(bench), AUTOMATIC)
    summary = bench.poll_after(0)
    bench.faults.clear()
    (problem,) = summary.problems
    assert problem.startswith(
        "feed-classify: 3 failed requests not replayed. Over the daily budget"
    )
    assert commands.count(bench.engine.context.ledger) == 0
    assert set(budget_alerts(bench)) == {"feed-classify"}
    limit(bench, 3.5 * one(bench), AUTOMATIC)
    bench.poll_after(900)
    bench.poll_after(60)
    assert cost(bench) > 0
    assert budget_alerts(bench) == {}


def test_the_deadline_guard_holds_before_anything_is_canceled_and_warns_in_time(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(99_999, 99_999)) as bench:
        deadline = bench.clock.now() + timedelta(hours=10)
        key = bench.submit(2, deadline=deadline).submission.key
        limit(bench, 3.5 * one(bench))
        assert bench.poll_after(4 * 3600).problems == []
        assert budget_alerts(bench) == {}
        assert bench.poll_after(1.5 * 3600).problems == []
        (message,) = budget_alerts(bench).values()
        assert message.startswith(f"{key} is due at 2026-11-22T16:00:00.000Z, and 2 requests")
        assert "in titan.toml" in message
        assert "at the full price" in message
        (problem,) = bench.poll_after(3 * 3600).problems
        assert problem == message
        assert commands.count(bench.engine.context.ledger) == 0
        limit(bench, 6.5 * one(bench))
        bench.poll_after(60)
        bench.poll_after(60)
        assert bench.engine.is_finished(key)
        assert budget_alerts(bench) == {}


def test_the_guard_is_judged_by_the_budget_of_the_day_it_runs(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(99_999, 99_999)) as bench:
        bench.submit(2, tag="other")
        # 03:00 of the next day: the guard runs at 01:00, when today's spending is over.
        key = bench.submit(1, deadline=bench.clock.now() + timedelta(hours=21)).submission.key
        limit(bench, 3.5 * one(bench))
        bench.poll_after(17 * 3600)
        assert budget_alerts(bench) == {}
        bench.poll_after(2.1 * 3600)
        bench.poll_after(60)
        assert bench.engine.is_finished(key)


def test_on_failure_sync_over_budget_leaves_its_requests_queued(bench: Bench) -> None:
    bench.submit(1, tag="x")
    limit(bench, 4.5 * one(bench))
    bench.faults.add("create:429")
    submitted = bench.engine.submit(
        some_requests(2), SubmitOptions(tag="t", on_failure=OnFailure.SYNC)
    )
    assert submitted.problem is not None
    assert "at the full price" in submitted.problem
    assert bench.sandbox.billing_log().messages == ()
    bench.faults.clear()
    for _ in range(3):
        bench.poll_after(120)
    assert bench.engine.is_finished(submitted.submission.key)


def test_a_batch_that_returns_to_the_queue_on_a_later_day_is_held(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(600, 600)) as bench:
        bench.faults.add("create:timeout-before")
        first = bench.submit(2).submission
        bench.faults.clear()
        bench.clock.advance(_DAY)
        bench.submit(2, tag="b")
        limit(bench, 2.5 * one(bench))
        (problem,) = bench.poll_after(60).problems
        assert re.fullmatch(
            r"tb_\S+ stays queued. Over the daily budget: .* These requests are not sent.",
            problem,
        )
        assert list(budget_alerts(bench).values()) == [problem]
        assert not bench.engine.is_finished(first.key)
        # What the other one really cost is far less than what was reserved for it.
        bench.poll_after(900)
        bench.poll_after(60)
        bench.poll_after(900)
        assert bench.engine.is_finished(first.key)
        assert budget_alerts(bench) == {}


def test_each_batch_that_a_lowered_limit_holds_is_reported(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", limits=Limits(max_requests=1)) as bench:
        bench.faults.add("create:connect")
        bench.submit(3)
        bench.faults.clear()
        limit(bench, 1.5 * one(bench))
        summary = bench.poll_after(60)
        assert (summary.sent, len(summary.problems)) == (1, 2)
        assert all("stays queued. Over the daily budget" in problem for problem in summary.problems)
        assert len(budget_alerts(bench)) == 2


def test_requests_submitted_without_an_estimate_get_one_before_they_are_replayed(
    bench: Bench,
) -> None:
    key = failed(bench, 2)
    dollars = one(bench)
    bench.engine.context.ledger.execute(
        "UPDATE requests SET at_most_batch_nano = NULL, at_most_sync_nano = NULL"
    )
    limit(bench, 1.5 * dollars)
    with pytest.raises(OverBudget, check=code_is("over_budget")):
        plan(bench, Action.REPLAY, key)


def test_an_edit_is_admitted_at_its_own_price(bench: Bench) -> None:
    key = failed(bench, 1)
    limit(bench, 1.5 * one(bench))
    request = CommandRequest(
        action=Action.REPLAY, wanted=Filter(names=(key,)), changes={"max_tokens": 4096}
    )
    with pytest.raises(OverBudget):
        planner.plan(bench.engine.context, request)
    assert not list(bench.folder.spool.glob("edit_*"))
    limit(bench, 100 * one(bench))
    planned = planner.plan(bench.engine.context, request)
    planner.submit(bench.engine.context, planned, delay=timedelta(0))
    before = one(bench)
    bench.poll_after(0)
    assert one(bench) > 10 * before


def test_commands_are_refused_while_a_limit_cannot_be_read(bench: Bench) -> None:
    key = failed(bench, 1)
    (bench.folder.root / "titan.toml").write_text("[budgets]\nday_usd = 'much'", "utf-8")
    with pytest.raises(SettingsError, match="try again"):
        plan(bench, Action.REPLAY, key)


def test_a_budget_smaller_than_one_request_is_named(bench: Bench) -> None:
    limit(bench, 0.0001)
    with pytest.raises(
        OverBudget, match=r"less than one request may cost \(\$0.00\d\d\): raise it in"
    ):
        bench.submit(3)


def test_a_replay_of_several_tags_is_checked_against_each(bench: Bench) -> None:
    keys = [failed(bench, 2, tag) for tag in ("a", "b")]
    text = f'[budgets.tags]\n"b" = {1.5 * one(bench):.9f}\n'
    (bench.folder.root / "titan.toml").write_text(text, "utf-8")
    with pytest.raises(OverBudget, match="budget of tag b"):
        plan(bench, Action.REPLAY, *keys)
    assert plan(bench, Action.REPLAY, keys[0]).preview.count == 2


def test_halves_of_a_batch_reserve_what_the_batch_did(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", limits=Limits(max_requests=2)) as bench:
        bench.faults.add("create:413:times=1")
        bench.submit(4)
        assert bench.sandbox.billing_log().creates == 4
        assert used(bench) == pytest.approx(4e9 * one(bench))


def test_a_budget_says_what_is_not_done_while_batches_are_in_flight(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home", plan=Plan.seconds(600, 600)) as bench:
        bench.submit(2)
        limit(bench, 2.5 * one(bench))
        with pytest.raises(OverBudget, match=r"These requests are not sent\.$"):
            bench.submit(2, tag="b")
        wanted = Filter(names=("daily-feed",))
        with pytest.raises(OverBudget, match=r"These requests are not run synchronously\.$"):
            planner.plan(bench.engine.context, CommandRequest(action=Action.SYNC, wanted=wanted))
