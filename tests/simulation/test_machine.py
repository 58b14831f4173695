"""Hypothesis drives submit and poll with faults and kills, and shrinks failures."""

from contextlib import ExitStack
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from simulation.checks import check
from simulation.fault_profile import no_faults
from simulation.history import a_home, run_to_end
from simulation.jobs import Submission
from simulation.machine import a_machine
from simulation.process import Process
from simulation.world import World

from core.engine import Engine
from titan_console.sandbox.faults.profile import Fault

# A process that is killed closes none of its files.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FAULTS = (
    *("create:drop", "create:timeout", "create:500-after", "create:529", "create:429"),
    *("create:connect", "create:garbage", "create:late", "list:500", "list:truncated"),
    *("results:cut-line", "results:garbled", "results:missing", "results:404", "retrieve:404"),
)
OPERATIONS = st.sampled_from(("poll", "job-0", "job-1", "job-2"))
# Where a process is killed: the number of steps after its start.
KILLS = st.one_of(st.none(), st.integers(min_value=1, max_value=60))


class Operations(RuleBasedStateMachine):
    """Jobs submit, cron polls, time passes, with faults in between."""

    sizes: ClassVar[tuple[int, ...]] = (1, 2, 4)

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self.world = World(self._open.enter_context(a_home()), 0, no_faults())
        self._open.enter_context(a_machine(self.world))
        self.jobs = [Submission(number=n, count=count) for n, count in enumerate(self.sizes)]

    @rule(name=OPERATIONS, kill=KILLS)
    def one(self, name: str, kill: int | None) -> None:
        self._run([self._start(name, kill)], [])

    @rule(
        first=OPERATIONS, second=OPERATIONS, kill=KILLS, turns=st.lists(st.booleans(), max_size=80)
    )
    def two_at_once(self, first: str, second: str, kill: int | None, turns: list[bool]) -> None:
        self._run([self._start(first, kill), self._start(second, None)], turns)

    @rule(seconds=st.sampled_from((1.0, 60.0, 400.0, 2000.0, 10_000.0)))
    def advance(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(min_value=1, max_value=3))
    def add_a_fault(self, fault: str, times: int) -> None:
        call, _, what = fault.partition(":")
        self.world.faults.add(Fault(call=call, what=what, times=times, seconds=900.0))

    @rule()
    def end_faults(self) -> None:
        self.world.faults.clear()

    @rule()
    def end_a_batch(self) -> None:
        for batch in self.world.sandbox.billing_log().batches:
            if not batch.ended and not batch.foreign:
                self.world.sandbox.end(batch.batch_id)
                return

    @rule(count=st.integers(min_value=1, max_value=4))
    def foreign_batch_appears(self, count: int) -> None:
        self.world.sandbox.add_foreign([f"foreign-{number}" for number in range(count)])

    def teardown(self) -> None:
        try:
            run_to_end(self.world, self.jobs)
            assert (self.world.broken or check(self.world, self.jobs)) == []
        finally:
            self._open.close()

    def _start(self, name: str, kill: int | None) -> Process:
        work = Engine.poll if name == "poll" else self.jobs[int(name[-1])]
        process = self.world.start(name, work)
        if kill is not None:
            self.world.kill_at = lambda other, _step: other is process and other.steps == kill
        return process

    def _run(self, processes: list[Process], turns: list[bool]) -> None:
        for turn in turns:
            if not processes[turn].is_over:
                self._resume(processes[turn])
        for process in processes:
            while not process.is_over:
                self._resume(process)
        self.world.kill_at = lambda _process, _step: False

    def _resume(self, process: Process) -> None:
        self.world.clock.advance(max(0.0, process.wakes_at - self.world.clock.monotonic()))
        self.world.resume(process)


TestOperations = pytest.mark.slow(Operations.TestCase)
TestOperations.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
