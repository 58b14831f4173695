"""Many processes on one ledger at the same time: no error reaches anyone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kill.run import SPEED
from kill.worker import RunTarget, SharedClock, job_size

from core.clock import SystemClock
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan


@pytest.mark.parametrize(
    ("processes", "jobs"), [(4, 1), pytest.param(8, 12, marks=pytest.mark.slow)]
)
def test_many_processes_share_one_ledger_without_an_error(
    tmp_path: Path, processes: int, jobs: int
) -> None:
    clock = SharedClock(SystemClock().monotonic(), SPEED)
    sandbox = Sandbox(clock, plan=Plan.seconds(60, 600))
    with running(sandbox) as address:
        target = RunTarget(
            home=tmp_path / "home", address=address, origin=clock.origin, speed=SPEED
        )
        arguments = (target.home, address, clock.origin, SPEED, processes, jobs)
        done = subprocess.run(
            [sys.executable, "-m", "kill.contention", *map(str, arguments)],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            check=False,
        )
        assert done.stderr.decode() == ""
        assert json.loads(done.stdout) == {"codes": [0] * processes}
        with target.engine("end") as engine:
            expected = processes // 2 * sum(job_size(job) for job in range(jobs))
            while engine.poll().open:
                engine.context.clock.sleep(300)
            totals = ledger_status.totals(engine.context.ledger)
    assert (totals.requests, totals.succeeded) == (expected, expected)
    assert sandbox.billing_log().creates == processes // 2 * jobs
