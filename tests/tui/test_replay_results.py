"""What replays came to, on the Errors screen: each beside the error that its requests had."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import console, failed, given
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import shown, table, until, until_shown

from state.model.records import RequestStatus
from state.model.timestamps import to_text
from state.operations import command_effects, commands
from state.operations.commands import Action, CommandState, NewCommand
from state.queries import replays
from titan_console.sandbox.model.timing import Plan
from titan_console.tui.screens import replay_rows
from titan_console.tui.screens.errors import ErrorsScreen
from titan_console.tui.screens.replay_page import ReplayPage


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


async def test_a_replayed_error_shows_its_result(bench: Bench) -> None:
    failed(bench, 3)
    async with console(bench) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "overloaded_error")
        assert "Latest replays" not in shown(pilot)
        await pilot.press("R", "y")
        await until_shown(pilot, "Replay 3 requests in 8s")
        bench.clock.advance(9)
        await until_shown(pilot, "Latest replays 1")
        await until_shown(pilot, "No errors.")
        (row,) = [line for line in shown(pilot).split("\n") if "▸ in progress" in line]
        assert "overloaded_error" in row
        bench.poll_after(60)
        await until_shown(pilot, "✓ succeeded")
        # The result of the command, which needs nothing of the operator, has left by itself.
        await until(pilot, lambda: "queued for replay" not in shown(pilot))
        await until(pilot, lambda: table(pilot, "replays").has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReplayPage))
        await until_shown(pilot, "✓ succeeded")
        assert shown(pilot).count("feed-classify-2026-11-22-0000") == 4
        assert f"Errors >  replay {given(bench)[0].key}" in shown(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorsScreen))


async def test_what_has_errored_again_is_replayed_from_there(bench: Bench) -> None:
    failed(bench, 2)
    bench.faults.add("row:overloaded:id=*-00001-*")
    async with console(bench) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "overloaded_error")
        await pilot.press("R", "y")
        await until_shown(pilot, "Replay 2 requests in 8s")
        bench.clock.advance(9)
        await until_shown(pilot, "Latest replays 1")
        bench.poll_after(60)
        await until_shown(pilot, "! some errored")
        await until(pilot, lambda: table(pilot, "groups").has_focus)
        await pilot.press("tab", "R")
        await until_shown(pilot, "Replay 1 request ")
        await pilot.press("escape", "y", "j")
        await until(pilot, lambda: '"by_status": {' in (pilot.app.clipboard or ""))


async def test_what_waits_for_a_canary_has_not_errored_again(bench: Bench) -> None:
    failed(bench, 3)
    async with console(bench) as pilot:

        def result(key: str) -> str:
            row = table(pilot, "replays").current()
            return row.cells[key].text if row else ""

        await pilot.press("3")
        await until_shown(pilot, "overloaded_error")
        bench.faults.add("row:overloaded:p=1")
        await pilot.press("R", "c", "y")
        await until_shown(pilot, "Replay 3 requests in 8s")
        bench.clock.advance(9)
        await until_shown(pilot, "Latest replays 1")
        await until(pilot, lambda: result("state") == "▸ in progress")
        assert [result(key) for key in ("open", "rest", "failed")] == ["1", "2", "0"]
        bench.poll_after(60)
        bench.poll_after(60)
        await until(pilot, lambda: result("state") == "✗ errored again")
        assert [result(key) for key in ("open", "rest", "failed")] == ["0", "2", "1"]
        await until_shown(pilot, "Not replayed")


async def test_what_a_budget_held_back_is_replayed_from_there(bench: Bench) -> None:
    failed(bench, 2)
    ledger = bench.engine.context.ledger
    new = NewCommand(action=Action.REPLAY, items=[1, 2], reason="", not_before=bench.clock.now())
    command, _ = commands.enqueue(ledger, new)
    commands.claim(ledger, command)
    commands.finish(ledger, command, CommandState.FAILED, "the daily budget is used up")
    async with console(bench) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "✗ not replayed")
        table(pilot, "replays").focus()
        await pilot.press("R")
        await until_shown(pilot, "Replay 2 requests ")


def test_a_replay_that_exceeds_a_budget_has_replayed_nothing(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("a", 2, [Failure(), Failure()])
    new = NewCommand(action=Action.REPLAY, items=[1, 2], reason="", not_before=made.clock.now())
    command, _ = commands.enqueue(made.ledger, new)
    commands.claim(made.ledger, command)
    commands.finish(made.ledger, command, CommandState.FAILED, "the daily budget is used up")
    (found,) = replays.latest(made.ledger, since_ts="", limit=10)
    made.close()
    assert (found.by_status, found.not_replayed, found.is_open) == ({}, 2, False)
    assert str(replay_rows.label(found)) == "✗ not replayed"


def test_a_replay_of_several_workflows_names_one_and_counts_the_others(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for workflow in ("feed", "news"):
        made.collected(workflow, 1, [Failure()], workflow=workflow)
    replayed(made, [1, 2])
    found = replays.latest(made.ledger, since_ts="", limit=10)
    (row,) = replay_rows.rows(found, made.clock.now())
    made.close()
    assert row.cells["workflow"].text == "feed +1"


def replayed(made: LedgerBuilder, ids: list[int], *, at: str = "") -> commands.Command:
    """A replay that a poll has carried out."""
    new = NewCommand(action=Action.REPLAY, items=ids, reason=at, not_before=made.clock.now())
    command, _ = commands.enqueue(made.ledger, new)
    commands.claim(made.ledger, command)
    command_effects.requeue(made.ledger, command.id, ids)
    commands.finish(made.ledger, command, CommandState.DONE, "queued")
    return command


def test_each_replay_has_the_errors_before_it_and_its_own_results(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("a", 4, [Failure(message="one"), Failure("api_error"), Failure("api_error")])
    failed = [int(row[0]) for row in made.ledger.rows("SELECT id FROM requests ORDER BY id")][:3]
    first = replayed(made, failed)
    made.clock.advance(60)
    (batch,) = made.plan()
    made.collect(made.accept(batch), [Failure("rate_limit_error")])
    made.clock.advance(60)
    replayed(made, failed[:1])
    since = to_text(made.clock.now() - timedelta(days=1))
    later, earlier = replays.latest(made.ledger, since_ts=since, limit=10)
    assert earlier.command.id == first.id
    assert earlier.errors == ("api_error", "overloaded_error")
    # What the later replay runs again had errored in the earlier one.
    ended = {RequestStatus.SUCCEEDED: 2, RequestStatus.ERRORED: 1}
    assert (earlier.by_status, earlier.is_open) == (ended, False)
    assert (later.by_status, later.is_open) == ({RequestStatus.QUEUED: 1}, True)
    assert later.errors == ("rate_limit_error",)
    (batch,) = made.plan()
    made.collect(made.accept(batch), [])
    later, earlier = replays.latest(made.ledger, since_ts=since, limit=10)
    assert (earlier.by_status, later.by_status) == (ended, {RequestStatus.SUCCEEDED: 1})
    assert list(replays.failed_of(made.ledger, first.id)) == []
    assert replays.latest(made.ledger, since_ts="9", limit=10) == []
    made.close()
