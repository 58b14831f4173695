"""Forks submitters and pollers that run at the same time, and kills them at random moments.

`python kill_runner.py HOME ADDRESS ORIGIN SPEED KILLS SEED` prints one JSON object. Forking after
the imports makes processes cheap.
"""

import json
import os
import random
import signal
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kill.worker import DieAt, Place, make_poll, submit

from core.clock import SystemClock
from state.model.crash_points import no_crash_point

_AT_ONCE = 6
_CRASH_POINTS = {"submit": 24, "poll": 60}
_LONGEST_LIFE_S = 0.6
_TICK_S = 0.004


@dataclass(kw_only=True)
class Child:
    """A process to kill."""

    what: str
    job: int
    dies_at: float | None


@dataclass(kw_only=True)
class KillRunner:
    """Keeps processes running until enough of them were killed."""

    place: Place
    kills: int
    rng: random.Random
    children: dict[int, Child] = field(default_factory=dict[int, Child])
    killed: Counter[str] = field(default_factory=Counter[str])
    ended: Counter[str] = field(default_factory=Counter[str])
    errors: list[str] = field(default_factory=list[str])
    again: list[int] = field(default_factory=list[int])
    jobs: int = 0
    clock: SystemClock = field(default_factory=SystemClock)

    def run(self) -> None:
        """Run until enough processes were killed, then kill the rest."""
        while self.killed.total() < self.kills:
            while len(self.children) < _AT_ONCE:
                self._fork()
            self._kill_due()
            self._reap()
            self.clock.sleep(_TICK_S)
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        while self.children:
            self._reap()
            self.clock.sleep(_TICK_S)

    def _fork(self) -> None:
        what = "submit" if self.rng.random() < 0.45 else "poll"
        job = self._next_job() if what == "submit" else 0
        seed = self.rng.random()
        kills_itself = self.rng.random() < 0.5
        dies_at = None
        if not kills_itself and self.rng.random() < 0.8:
            dies_at = self.clock.monotonic() + self.rng.uniform(0, _LONGEST_LIFE_S)
        pid = os.fork()
        if pid == 0:
            self._run_child(what, job, random.Random(seed), kills_itself=kills_itself)
        self.children[pid] = Child(what=what, job=job, dies_at=dies_at)

    def _next_job(self) -> int:
        if self.again:
            return self.again.pop(0)
        self.jobs += 1
        return self.jobs

    def _run_child(self, what: str, job: int, rng: random.Random, *, kills_itself: bool) -> None:
        """Run in the child; never returns."""
        crash_point = DieAt(rng, _CRASH_POINTS[what]) if kills_itself else no_crash_point
        try:
            with self.place.engine(what, crash_point) as engine:
                if what == "submit":
                    submit(engine, job)
                else:
                    make_poll(engine, with_lease=rng.random() < 0.5)
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
            with (self.place.home / "kill-errors.txt").open("a") as log:
                log.write(f"{what}: {traceback.format_exc()}\n\0")
            os._exit(1)
        os._exit(0)

    def _kill_due(self) -> None:
        now = self.clock.monotonic()
        for pid, child in self.children.items():
            if child.dies_at is not None and child.dies_at <= now:
                os.kill(pid, signal.SIGKILL)
                child.dies_at = None

    def _reap(self) -> None:
        for pid in list(self.children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            child = self.children.pop(pid)
            if os.WIFSIGNALED(status):
                self.killed[child.what] += 1
                if child.what == "submit":
                    self.again.append(child.job)
            else:
                self.ended[child.what] += 1


def main() -> None:
    """Run with these arguments."""
    home, address, origin, speed, kills, seed = sys.argv[1:]
    place = Place(home=Path(home), address=address, origin=float(origin), speed=float(speed))
    # Load what every child needs, and create the ledger.
    with place.engine("first") as engine:
        engine.poll()
    runner = KillRunner(place=place, kills=int(kills), rng=random.Random(int(seed)))
    runner.run()
    json.dump({"killed": runner.killed, "ended": runner.ended, "jobs": runner.jobs}, sys.stdout)


if __name__ == "__main__":
    main()
