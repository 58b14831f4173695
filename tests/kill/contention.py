"""Forks processes that submit and poll on one ledger as fast as they can, from its first moment.

A process of its own: `python -m kill.contention HOME ADDRESS ORIGIN SPEED PROCESSES JOBS`.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from kill.worker import RunTarget, make_poll, submit


def main() -> None:
    """Half of them submit, half of them poll."""
    home, address, origin, speed, processes, jobs = sys.argv[1:]
    target = RunTarget(home=Path(home), address=address, origin=float(origin), speed=float(speed))
    pids = [_fork(target, number, int(jobs)) for number in range(int(processes))]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    json.dump({"codes": codes}, sys.stdout)


def _fork(target: RunTarget, number: int, jobs: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        for job in range(jobs):
            with target.engine(f"process-{number}") as engine:
                if number % 2:
                    make_poll(engine, with_lease=bool(job % 2))
                else:
                    # Jobs of different processes differ, and yet are as large.
                    submit(engine, job + 4 * 1000 * number)
    except BaseException:  # noqa: BLE001 - whatever it is, the test wants to see it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
