"""Eight processes that spend in every way at once cannot exceed a budget."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from kill.budget_race import DAY, LIMIT_NANO, REPLAY, SYNC, WAYS
from kill.run import SPEED
from kill.worker import RunTarget, SharedClock
from support.builders import some_requests

from core.clock import SystemClock
from core.engine import Engine
from core.intake.options import SubmitOptions
from state.batches.budget_reservations import Scope, reserved
from state.operations import commands
from state.operations.commands import Action
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan

PROCESSES, JOBS = 8, 4
_JOB = """
[workloads.t]
[jobs.feed-auto]
workload = "t"
schedule = "daily"
replay = "auto"
"""


def _fail(engine: Engine, sandbox: Sandbox) -> None:
    """Submissions that failed: one for each command of the race, and for automatic replays."""
    sandbox.faults.add("row:overloaded:p=1")
    for number in range(PROCESSES):
        for job in range(JOBS):
            if (number + job) % WAYS in (REPLAY, SYNC):
                options = SubmitOptions(tag=f"failed-{number}-{job}")
                engine.submit(some_requests(3, "c"), options)
    engine.submit(some_requests(4, "feed-auto"), SubmitOptions(tag="auto"))
    engine.context.clock.sleep(120)
    engine.poll()
    sandbox.faults.clear()


@pytest.mark.slow
def test_eight_processes_cannot_exceed_a_budget_together(tmp_path: Path) -> None:
    clock = SharedClock(SystemClock().monotonic(), SPEED)
    sandbox = Sandbox(clock, plan=Plan.seconds(60, 60))
    with running(sandbox) as address:
        target = RunTarget(
            home=tmp_path / "home", address=address, origin=clock.origin, speed=SPEED
        )
        with target.engine("before") as engine:
            _fail(engine, sandbox)
            sandbox.plan = Plan.seconds(300, 900)
            # Their batches end too late, so that the deadline guard runs them.
            due = engine.context.clock.now() + timedelta(minutes=90)
            engine.submit(some_requests(3, "d"), SubmitOptions(tag="due", deadline=due))
        day = f"{_JOB}[budgets]\nday_usd = {LIMIT_NANO / 1e9}\n"
        (target.home / "titan.toml").write_text(day, "utf-8")
        sandbox.faults.add("create:429:p=0.4")
        arguments = (target.home, address, clock.origin, SPEED, PROCESSES, JOBS)
        done = subprocess.run(
            [sys.executable, "-m", "kill.budget_race", *map(str, arguments)],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            check=False,
        )
        assert done.stderr.decode() == ""
        codes = json.loads(done.stdout)["codes"]
        assert set(codes) <= {0, 17}
        assert 17 in codes
        with target.engine("end") as engine:
            while engine.poll().open:
                engine.context.clock.sleep(300)
            ledger = engine.context.ledger
            cost = ledger_status.totals(ledger).cost_nano
            assert 0 < cost == reserved(ledger, Scope(day=DAY)) <= LIMIT_NANO
            given = {command.action for command in commands.latest(ledger, limit=999)}
            (imported,) = ledger.rows("SELECT count(*) FROM fallback_imports")[0]
    assert given == {Action.REPLAY, Action.SYNC}
    assert imported
    assert sandbox.billing_log().messages
