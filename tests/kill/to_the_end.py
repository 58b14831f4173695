"""Runs the processes of a run with kills, and afterwards all work to its end."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from kill.jobs import WORKFLOWS, Job
from kill.kill_runner import Orders, Report
from kill.process import append
from kill.worker import RunTarget, SharedClock

from core.bootstrap import open_engine
from core.config.settings import Settings
from core.engine import Engine
from state.operations import pauses

_STEP_S = 600.0
_MOST_POLLS = 400
_UNFINISHED = (
    "SELECT (SELECT count(*) FROM submissions WHERE delivered_ts IS NULL)"
    " + (SELECT count(*) FROM commands WHERE state IN ('pending', 'running'))"
    " + (SELECT count(*) FROM batches WHERE status NOT IN ('not_sent', 'rejected', 'ended')"
    " OR collection = 'pending') + (SELECT count(*) FROM requests WHERE status = 'queued')"
    " + (SELECT count(*) FROM hook_runs WHERE state IN ('due', 'running'))"
)


def run_processes(orders: Orders) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "kill.kill_runner", json.dumps(asdict(orders))],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    return Report(**json.loads(done.stdout))


def run_to_end(homes: Sequence[Settings], target: RunTarget, clock: SharedClock, jobs: int) -> int:
    """Repeat every job, then poll in each home until nothing is unfinished; the rounds of polls."""
    with ExitStack() as opened:
        engines = [
            opened.enter_context(open_engine(home, actor="last", clock=clock)) for home in homes
        ]
        for number in range(1, jobs + 1):
            job = Job(number)
            engine = engines[number % len(engines)]
            key = engine.submit(job.requests(), job.options(clock.now())).submission.key
            append(target.beside("keys"), f"{number} {key}")
        return _poll(engines, clock)


def _poll(engines: Sequence[Engine], clock: SharedClock) -> int:
    polls, ledger = 0, engines[0].context.ledger
    while polls < _MOST_POLLS and ledger.rows(_UNFINISHED)[0][0]:
        # A pause that was killed may take effect in one of these polls.
        pauses.resume(ledger, list(WORKFLOWS), reason="")
        for engine in engines:
            engine.poll()
        clock.advance(_STEP_S)
        polls += 1
    for engine in engines:
        engine.poll()
    return polls
