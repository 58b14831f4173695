"""A process may die at any point: the next polls bring everything to its end, once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.lifecycle import (
    check_billing,
    check_once,
    json_lines,
    our_bill,
    poll_until_done,
    requests,
)

from state.model.records import RequestStatus

# A killed process leaves its files to the system; here they stay open until they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Life = Callable[[Bench], object]


class KilledError(BaseException):
    """The process is gone: nothing that could be caught by name."""


class Killer:
    """Ends a process at one point, and lets it do nothing afterwards."""

    def __init__(self, point: str = "", number: int = 1) -> None:
        self.seen: Counter[str] = Counter()
        self._point = point
        self._number = number
        self.dead = False

    def __call__(self, point: str) -> None:
        self.seen[point] += 1
        if self.dead or (point == self._point and self.seen[point] == self._number):
            self.dead = True
            raise KilledError(point)


def smooth(bench: Bench) -> None:
    bench.submit(4)
    bench.poll_after(60)


def with_a_lost_answer(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    bench.faults.add("results:cut-line:nth=2")
    bench.submit(4)
    for _ in range(6):
        bench.poll_after(900)


def with_a_second_try(bench: Bench) -> None:
    bench.faults.add("create:drop-before:times=1")
    bench.faults.add("results:500:times=4")
    bench.submit(4)
    for _ in range(6):
        bench.poll_after(900)


def with_a_full_queue(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    bench.faults.add("retrieve:404:times=1")
    bench.submit(4)
    for _ in range(3):
        bench.poll_after(900)


LIVES = (
    smooth,
    pytest.param(with_a_lost_answer, marks=pytest.mark.slow),
    pytest.param(with_a_second_try, marks=pytest.mark.slow),
    pytest.param(with_a_full_queue, marks=pytest.mark.slow),
)


def crash_points_of(life: Life, home: Path) -> Counter[str]:
    with a_bench(home) as bench:
        killer = Killer()
        bench.engine.context.ledger.crash_point = killer
        life(bench)
        return killer.seen


def live_and_die(bench: Bench, life: Life, killer: Killer) -> None:
    bench.engine.context.ledger.crash_point = killer
    try:
        life(bench)
    except KilledError:
        assert killer.dead


@pytest.mark.parametrize("life", LIVES)
def test_a_kill_at_any_point_loses_nothing_and_duplicates_no_charge(
    tmp_path: Path, life: Life
) -> None:
    points = crash_points_of(life, tmp_path / "whole")
    assert {"submit:commit", "sending:done", "spool:rename"} <= set(points)
    for number, (point, times) in enumerate(sorted(points.items())):
        for which in {1, times} if life is with_a_lost_answer else {1}:
            with a_bench(tmp_path / f"{number}-{which}") as bench:
                live_and_die(bench, life, Killer(point, which))
                healer = bench.new_engine("healer")
                repeated = healer.context.ledger.row("SELECT 1 FROM submissions") is not None
                bench.engine = healer
                assert bench.submit(4).repeated == repeated, point
                poll_until_done(bench, healer)
                assert requests(bench) == {RequestStatus.SUCCEEDED: 4}, point
                assert len(our_bill(bench)) == 4, point
                check_once(bench, 4)


def test_two_deaths_in_a_row_are_no_worse_than_one(tmp_path: Path) -> None:
    points = crash_points_of(smooth, tmp_path / "whole")
    for number, point in enumerate(sorted(points)):
        with a_bench(tmp_path / str(number)) as bench:
            live_and_die(bench, smooth, Killer("accepted:begin"))
            bench.engine = bench.new_engine("second")
            live_and_die(bench, poll_until_done, Killer(point))
            healer = bench.engine = bench.new_engine("healer")
            poll_until_done(bench, healer)
            check_once(bench, 4)


def test_the_mirrors_hold_each_line_once_after_a_death_at_any_point(tmp_path: Path) -> None:
    def life(bench: Bench) -> None:
        bench.faults.add("row:overloaded:id=*-00002-*")
        smooth(bench)

    for number, point in enumerate(("mirror:written", "mirror:commit", "mirror:begin")):
        for which in range(1, 8):
            with a_bench(tmp_path / f"{number}-{which}") as bench:
                live_and_die(bench, life, Killer(point, which))
                bench.engine = bench.new_engine("healer")
                bench.submit(4)
                poll_until_done(bench)
                bench.engine.poll()
                assert len(json_lines(bench.folder.errors_mirror)) == 1
                assert len(json_lines(bench.folder.cost_mirror)) == 1
                check_billing(bench)


def with_a_batch_that_returns(bench: Bench) -> None:
    """Written off after it vanished, and collected when the API has it again."""
    bench.faults.add("create:vanish:seconds=0:back=9000")
    bench.submit(4)
    for _ in range(16):
        bench.poll_after(900)


def test_a_kill_while_a_batch_is_written_off_or_reopened_counts_it_once(tmp_path: Path) -> None:
    points = crash_points_of(with_a_batch_that_returns, tmp_path / "whole")
    steps = ("stuck", "write_off", "reopen")
    killed = [f"{step}:{place}" for step in steps for place in ("begin", "commit", "done")]
    assert set(killed) <= set(points)
    for number, point in enumerate([*killed, "collect:commit", "collect:done"]):
        with a_bench(tmp_path / f"{number}") as bench:
            live_and_die(bench, with_a_batch_that_returns, Killer(point))
            bench.engine = bench.new_engine("healer")
            for _ in range(20):
                bench.poll_after(900)
            check_once(bench, 4)
            totals = bench.engine.context.ledger.rows(
                "SELECT sum(requests), sum(succeeded), sum(missing) FROM daily_totals"
            )[0]
            assert tuple(totals) == (4, 4, 0), point
