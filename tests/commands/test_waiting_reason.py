"""A command that has not ended names the batch that it waits for, the reason and the next try."""

from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.lifecycle import batches

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.commands.waiting_reason import waits_for
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
    return waits_for(ledger, command)


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


def test_a_command_that_ended_or_did_not_start_waits_for_nothing(manual: Bench) -> None:
    manual.submit(3)
    _give(manual, Action.CANCEL)
    (command,) = commands.latest(manual.engine.context.ledger, limit=9)
    assert command.state == CommandState.DONE
    assert _waits(manual) is None
