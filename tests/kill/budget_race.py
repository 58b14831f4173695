"""Forks processes that spend on one ledger in every way at once, under one budget.

A process of its own: `python -m kill.budget_race HOME ADDRESS ORIGIN SPEED PROCESSES JOBS`.
It prints the exit code of each process and how often one was refused.
"""

import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path

from kill.worker import START, RunTarget, make_poll
from support.builders import some_requests

from core.commands import planner
from core.commands.planner import CommandRequest
from core.engine import Engine
from core.errors import OverBudget
from core.intake import fallback_files
from core.intake.options import SubmitOptions
from state.batches.budget_reservations import Scope, reserved
from state.model.errors import LedgerUnusable
from state.model.records import OnFailure
from state.operations.commands import Action
from state.operations.selection import Filter

LIMIT_NANO = 20_000_000
WAYS = 5
REPLAY, SYNC = 2, 3
DAY = START.date().isoformat()
_REFUSED = 17


def main() -> None:
    """Fork the processes and wait for them."""
    home, address, origin, speed, processes, jobs = sys.argv[1:]
    target = RunTarget(home=Path(home), address=address, origin=float(origin), speed=float(speed))
    pids = [_fork(target, number, int(jobs)) for number in range(int(processes))]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    json.dump({"codes": codes}, sys.stdout)


def _fork(target: RunTarget, number: int, jobs: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    refused = 0
    try:
        for job in range(jobs):
            with target.engine(f"process-{number}") as engine:
                refused += _spend(engine, f"{number}-{job}", way=(number + job) % WAYS)
                make_poll(engine, with_lease=bool(job % 2))
                used = reserved(engine.context.ledger, Scope(day=DAY))
                assert used <= LIMIT_NANO, f"{used} nano-dollars are spent or reserved"
    except BaseException:  # noqa: BLE001 - whatever it is, the test wants to see it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(_REFUSED if refused else 0)


def _spend(engine: Engine, name: str, *, way: int) -> bool:
    """Spend in one of the ways; whether a budget refused it."""
    try:
        if way == 0:
            engine.submit(some_requests(3, "a"), SubmitOptions(tag=f"new-{name}"))
        elif way == 1:
            # While creates are rejected, its requests run at the full price.
            options = SubmitOptions(tag=f"now-{name}", on_failure=OnFailure.SYNC)
            engine.submit(some_requests(3, "b"), options)
        elif way in (REPLAY, SYNC):
            _order(engine, Action.REPLAY if way == REPLAY else Action.SYNC, f"failed-{name}")
        else:
            # The next poll of any process imports it.
            fallback_files.save(
                engine.context.folder,
                some_requests(3, "e"),
                SubmitOptions(tag=f"kept-{name}"),
                clock=engine.context.clock,
                actor="race",
                error=LedgerUnusable("The ledger is locked."),
            )
    except OverBudget:
        return True
    return False


def _order(engine: Engine, action: Action, tag: str) -> None:
    request = CommandRequest(action=action, wanted=Filter(names=(tag,)))
    planner.submit(engine.context, planner.plan(engine.context, request), delay=timedelta(0))


if __name__ == "__main__":
    main()
