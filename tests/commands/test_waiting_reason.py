"""A command that has not ended names the batch that it waits for, the reason and the next try."""

from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench
from support.lifecycle import batches

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.commands.waiting_reason import waits_for
from state.model.timestamps import to_text
from state.operations import commands
from state.operations.commands import Action, CommandState
from state.operations.selection import Filter
from titan_console.sandbox.model.timing import Plan


@pytest.fixture
def manual(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path / "titan", plan=Plan.manual(cancel=3600)) as made:
        yield made


def _give(bench: Bench, action: Action) -> None:
    wanted = Filter(names=("daily-feed",))
    planned = planner.plan(bench.engine.context, CommandRequest(action=action, wanted=wanted))
    planner.submit(bench.engine.context, planned, delay=timedelta())
    bench.engine.poll()


def _waits(bench: Bench) -> str | None:
    ledger = bench.engine.context.ledger
    (command,) = commands.latest(ledger, limit=9)
    waiting = waits_for(ledger, command)
    return waiting and waiting.text


def _lost(bench: Bench) -> str:
    """The response is lost, and the list does not show the batch yet."""
    bench.faults.add("list:lag:seconds=900")
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    return batches(bench)[0].next_poll_ts or "no time"


def _candidate(bench: Bench) -> str:
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    return bench.sandbox.billing_log().batches[0].batch_id


def _canceling(bench: Bench) -> str:
    bench.submit(3)
    return f"{batches(bench)[0].key} has not ended"


def _unanswered_cancel(bench: Bench) -> str:
    bench.submit(3)
    bench.faults.add("cancel:500")
    return f"{batches(bench)[0].key} has not ended"


@pytest.mark.parametrize(
    ("happens", "actions"),
    [
        (_lost, (Action.SYNC, Action.CANCEL)),
        (_candidate, (Action.SYNC, Action.CANCEL)),
        (_canceling, (Action.SYNC,)),
        (_unanswered_cancel, (Action.SYNC, Action.CANCEL)),
    ],
)
def test_a_command_that_waits_says_for_what(
    tmp_path: Path, happens: Callable[[Bench], str], actions: tuple[Action, ...]
) -> None:
    for action in actions:
        with a_bench(tmp_path / action, plan=Plan.manual(cancel=3600)) as bench:
            said = happens(bench)
            _give(bench, action)
            assert said in (_waits(bench) or "")
            assert batches(bench)[0].key in (_waits(bench) or "")


def _unsent(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(3)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("messages:429:retry=3600", "rate limit"),
        ("messages:429:retry=3600", f"wait until {to_text(START + timedelta(seconds=3600))}"),
        ("messages:connect", "the next poll tries again"),
    ],
)
def test_a_sync_whose_calls_could_not_run_says_why(manual: Bench, fault: str, said: str) -> None:
    _unsent(manual)
    manual.faults.add(fault)
    _give(manual, Action.SYNC)
    assert said in (_waits(manual) or "")
    assert manual.engine.context.ledger.rows("SELECT 1 FROM events WHERE kind = 'command.waits'")
    manual.faults.clear()
    manual.faults.add(fault)
    manual.poll_after(60)
    assert "has not ended at the API; its calls could not run: " in (_waits(manual) or "")
    manual.faults.clear()
    for _ in range(3):
        manual.poll_after(3600)
    assert _waits(manual) is None


def test_a_replay_that_waits_for_its_canary_says_so(bench: Bench) -> None:
    bench.faults.add("row:overloaded")
    bench.submit(3)
    bench.poll_after(3600)
    bench.faults.clear()
    context = bench.engine.context
    wanted = Filter(names=("daily-feed",))
    asked = CommandRequest(action=Action.REPLAY, wanted=wanted, canary=True)
    planner.submit(context, planner.plan(context, asked), delay=timedelta())
    bench.engine.poll()
    assert "canary" in (_waits(bench) or "")


def test_a_command_that_ended_or_did_not_start_waits_for_nothing(manual: Bench) -> None:
    manual.submit(3)
    _give(manual, Action.CANCEL)
    (command,) = commands.latest(manual.engine.context.ledger, limit=9)
    assert command.state == CommandState.DONE
    assert _waits(manual) is None
