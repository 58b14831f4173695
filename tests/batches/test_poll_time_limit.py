"""The time limit of a poll: nothing is begun after it, and the next poll begins with the rest."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.builders import Bench, a_bench
from support.processes.terminal import Terminal

from core.batches.poll_time_limit import PollTimeLimit
from core.config.titan_tables import parse
from core.poll.poll_summary import PollSummary
from titan_console.sandbox.model.timing import Plan

_LIMIT_S = 600.0
_BATCHES = ("a", "b", "c")


@contextmanager
def limited(home: Path) -> Generator[Bench, None, None]:
    """Three batches that ended; the limit is ten minutes."""
    with a_bench(home, plan=Plan.instant()) as bench:
        for tag in _BATCHES:
            bench.submit(1, tag=tag)
        context = bench.engine.context
        bench.engine.context = replace(context, poll_max_min=10)
        yield bench


@pytest.fixture
def slow(tmp_path: Path) -> Generator[Bench, None, None]:
    with limited(tmp_path / "titan") as bench:
        yield bench


def _slow_down(bench: Bench, point: str) -> None:
    """Passing that crash point takes the whole time of a poll."""

    def take_time(name: str) -> None:
        if name == point:
            bench.clock.advance(_LIMIT_S)

    bench.engine.context.ledger.crash_point = take_time


def _poll(bench: Bench) -> PollSummary:
    return bench.poll_after(3600)


def test_a_poll_past_its_limit_begins_nothing_and_says_what_it_left(slow: Bench) -> None:
    _slow_down(slow, "results:rename")
    summary = _poll(slow)
    assert (summary.collected, summary.delivered, summary.error) == (1, [], None)
    assert summary.left is not None
    assert [(one.step, one.count) for one in summary.left.items] == [("collect", 2)]
    assert summary.left.steps[0] == "send primed"
    (problem,) = summary.problems
    assert problem.startswith("The poll reached its time limit of 10 minutes (poll_max_min)")
    terminal = Terminal(slow.folder.root)
    assert terminal.run("status", "--json").json()["poller"]["left"] == summary.left.lines()
    assert "2 items of the step 'collect'" in terminal.run("status").out
    kinds = [event["kind"] for event in terminal.run("events", "--json").lines()]
    assert "poll.time_limit" in kinds


def test_what_was_begun_is_ended(slow: Bench) -> None:
    _slow_down(slow, "results:rename")
    assert _poll(slow).results == 1


def test_every_batch_and_step_has_its_turn_although_each_poll_reaches_its_limit(
    slow: Bench,
) -> None:
    _slow_down(slow, "results:rename")
    polls = [_poll(slow) for _ in range(4)]
    assert sum(poll.collected for poll in polls) == len(_BATCHES)
    assert len([name for poll in polls for name in poll.delivered]) >= 1
    assert polls[-1].left is None


def test_the_steps_that_were_left_come_first_in_the_next_poll(slow: Bench) -> None:
    """Before the batches that were left too, of which one takes the whole time again."""
    _slow_down(slow, "results:rename")
    first, second = _poll(slow), _poll(slow)
    assert (len(first.delivered), first.collected) == (0, 1)
    assert (len(second.delivered), second.collected) == (1, 1)


def test_a_poll_within_its_limit_leaves_nothing(slow: Bench) -> None:
    summary = _poll(slow)
    assert (summary.left, summary.as_json()["left"], summary.problems) == (None, [], [])


def test_items_begin_with_the_one_that_was_left(slow: Bench) -> None:
    time = PollTimeLimit(slow.clock, 60, first={"collect": "b"})
    assert list(time.items("collect", _BATCHES, str)) == ["b", "c", "a"]
    assert list(time.items("send", _BATCHES, str)) == ["a", "b", "c"]
    unlimited = PollTimeLimit(first={"collect": "x"})
    assert list(unlimited.items("collect", _BATCHES, str)) == [*_BATCHES]
    slow.clock.advance(60)
    assert list(time.items("deliver", _BATCHES, str)) == []
    assert (time.left["deliver"].count, time.left["deliver"].next) == (3, "a")


@pytest.mark.parametrize("value", ["0", "1441", "'x'", "1.5"])
def test_the_limit_is_validated(value: str) -> None:
    (problem,) = parse(f"[limits]\npoll_max_min = {value}").problems
    assert problem.path[-1] == "poll_max_min"
    assert parse("[limits]\npoll_max_min = 5").limits.poll_max_min == 5
