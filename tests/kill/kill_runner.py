"""Keeps processes running that do random real commands, and kills some at random moments.

`python -m kill.kill_runner JSON` with the fields of `Orders`; prints one JSON object. Forking
after the imports makes processes cheap.
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

from kill import process
from kill.actions import AFTER_LOSS, AMONG_HOSTS, KINDS, SUBMITS, Kind, Task
from kill.damage import copy_files, damage
from kill.jobs import Job
from kill.worker import RunTarget, real_monotonic, real_sleep

from titan_console.cli.main import _MODULES, COMMANDS, _load

_LONGEST_LIFE_S = 0.8
# Over a network each statement takes its time.
_LONGEST_LIFE_AMONG_HOSTS_S = 3.0
_TICK_S = 0.004
_MOST_COPIES = 12
_ON_COPIES = ("rebuild", "restore")
# A process that takes longer than this hangs.
_LONGEST_RUN_S = 120.0
_LONGEST_RUN_AMONG_HOSTS_S = 600.0
# A lease lasts 15 accelerated minutes: on a busy machine, one process may be overtaken by another.
_OVERTAKEN = "has taken over the lease"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What to run: until so many kills, or for so many seconds."""

    home: str
    address: str
    origin: float
    speed: float
    seed: int
    at_once: int
    kills: int
    seconds: float
    # The share of processes that are killed.
    killed_share: float
    # The jobs that were submitted before.
    jobs: int = 0
    after_loss: bool = False
    # The address of a ledger in PostgreSQL, and the homes of its hosts, whose clocks are so far
    # ahead of the server's.
    ledger: str = ""
    hosts: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def shares(self) -> dict[str, int]:
        """How often each kind of process is chosen."""
        if self.hosts:
            return AMONG_HOSTS
        return AFTER_LOSS if self.after_loss else {name: kind.share for name, kind in KINDS.items()}

    @property
    def targets(self) -> list[RunTarget]:
        """One for each host."""
        return [
            RunTarget(
                home=Path(home),
                address=self.address,
                origin=self.origin,
                speed=self.speed,
                ledger=self.ledger,
                ahead_s=ahead_s,
            )
            for home, ahead_s in (self.hosts or {self.home: 0.0}).items()
        ]

    @property
    def target(self) -> RunTarget:
        """That of the first host."""
        return self.targets[0]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was run. `codes` counts exit codes by kind; `errors` are violations."""

    killed: dict[str, int]
    ended: dict[str, int]
    codes: dict[str, int]
    damage: dict[str, int]
    errors: list[str]
    jobs: int
    copies: int


@dataclass(kw_only=True)
class Child:
    """A process, and when to kill it."""

    what: str
    job: Job
    copy: int
    started: float
    dies_at: float | None


@dataclass(kw_only=True)
class KillRunner:
    """Keeps processes running until enough of them were killed, or the time is over."""

    orders: Orders
    rng: random.Random
    children: dict[int, Child] = field(default_factory=dict[int, Child])
    killed: Counter[str] = field(default_factory=Counter[str])
    ended: Counter[str] = field(default_factory=Counter[str])
    codes: Counter[str] = field(default_factory=Counter[str])
    damage: Counter[str] = field(default_factory=Counter[str])
    errors: list[str] = field(default_factory=list[str])
    again: list[Job] = field(default_factory=list[Job])
    copies_again: list[int] = field(default_factory=list[int])
    jobs: int = 0
    copies: int = 0

    def run(self) -> Report:
        """Run until it is enough, kill the rest, and report."""
        end = real_monotonic() + self.orders.seconds
        while self.killed.total() < self.orders.kills and real_monotonic() < end:
            while len(self.children) < self.orders.at_once:
                self._fork(real_monotonic())
            self._kill_due(real_monotonic())
            self._reap()
            real_sleep(_TICK_S)
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        while self.children:
            self._reap()
            real_sleep(_TICK_S)
        return Report(
            killed=self.killed,
            ended=self.ended,
            codes=self.codes,
            damage=self.damage,
            errors=self.errors,
            jobs=self.jobs,
            copies=self.copies,
        )

    def _fork(self, now: float) -> None:
        shares = self.orders.shares
        what = self.rng.choices(list(shares), list(shares.values()))[0]
        job = self._next_job() if what in SUBMITS else self._any_job()
        copy = self._copy_for(what)
        seed = self.rng.random()
        dies = self.rng.random() < self.orders.killed_share
        kills_itself = dies and self.rng.random() < 0.5
        longest = _LONGEST_LIFE_AMONG_HOSTS_S if self.orders.hosts else _LONGEST_LIFE_S
        dies_at = now + self.rng.uniform(0, longest) if dies and not kills_itself else None
        target = self._host_of(job) if what in SUBMITS else self.rng.choice(self.orders.targets)
        pid = os.fork()
        if pid == 0:
            if self.orders.hosts:
                process.prepare(target)
            task = Task(
                target=target,
                rng=random.Random(seed),
                job=job,
                copy=self._copy_folder(copy),
            )
            _run_child(KINDS[what], task, kills_itself=kills_itself)
        self.children[pid] = Child(what=what, job=job, copy=copy, started=now, dies_at=dies_at)

    def _host_of(self, job: Job) -> RunTarget:
        """Where the job is scheduled; sometimes it runs on another host."""
        targets = self.orders.targets
        is_moved = len(targets) > 1 and self.rng.random() < 0.1
        return self.rng.choice(targets) if is_moved else targets[job.number % len(targets)]

    def _next_job(self) -> Job:
        if self.again:
            return self.again.pop(0)
        self.jobs += 1
        return Job(self.jobs)

    def _any_job(self) -> Job:
        """One that is not old, so that most of the choices are still about something."""
        return Job(self.rng.randint(max(1, self.jobs - 30), max(1, self.jobs)))

    def _copy_for(self, what: str) -> int:
        if what == "submit during rebuild":
            return self.rng.randint(1, self.copies) if self.copies else self._damaged_copy()
        if what not in _ON_COPIES:
            return 0
        return self.copies_again.pop(0) if self.copies_again else self._damaged_copy()

    def _damaged_copy(self) -> int:
        """A new copy; when there are many, one that is whole again and not in use."""
        used = {child.copy for child in self.children.values()} | set(self.copies_again)
        free = sorted(set(range(1, self.copies + 1)) - used)
        if self.copies < _MOST_COPIES or not free:
            self.copies += 1
            number = self.copies
            copy_files(self.orders.target.home, self._copy_folder(number))
        else:
            number = self.rng.choice(free)
        self.damage[damage(self._copy_folder(number), self.rng)] += 1
        return number

    def _copy_folder(self, number: int) -> Path:
        return self.orders.target.beside("copies") / str(number)

    @property
    def _longest_run_s(self) -> float:
        return _LONGEST_RUN_AMONG_HOSTS_S if self.orders.hosts else _LONGEST_RUN_S

    def _kill_due(self, now: float) -> None:
        for pid, child in self.children.items():
            if child.dies_at is not None and child.dies_at <= now:
                os.kill(pid, signal.SIGKILL)
                child.dies_at = None
            elif now > child.started + self._longest_run_s:
                self.errors.append(f"{child.what} ({child.job.tag}) hangs")
                os.kill(pid, signal.SIGKILL)
                child.started = now

    def _reap(self) -> None:
        for pid in list(self.children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            child = self.children.pop(pid)
            if os.WIFSIGNALED(status):
                self._was_killed(child)
            else:
                self.ended[child.what] += 1
                self._has_ended(child, os.WEXITSTATUS(status), _said(self.orders.target, pid))
            _errors_of(self.orders.target, pid).unlink(missing_ok=True)

    def _was_killed(self, child: Child) -> None:
        self.killed[child.what] += 1
        if child.what in SUBMITS:
            self.again.append(child.job)
        elif child.what in _ON_COPIES:
            self.copies_again.append(child.copy)

    def _has_ended(self, child: Child, code: int, said: str) -> None:
        self.codes[f"{child.what}: {code}"] += 1
        may_be_unusable = self.orders.after_loss or (self.orders.hosts and _OVERTAKEN in said)
        if (
            code not in (0, 1, 2, *([3] if may_be_unusable else []))
            or "Traceback" in said
            or "internal error" in said
        ):
            self.errors.append(f"{child.what} ({child.job.tag}) ended with {code}: {said}")


def _errors_of(target: RunTarget, pid: int) -> Path:
    return target.beside("output") / str(pid)


def _said(target: RunTarget, pid: int) -> str:
    path = _errors_of(target, pid)
    return path.read_text(errors="replace") if path.exists() else ""


def _run_child(kind: Kind, task: Task, *, kills_itself: bool) -> None:
    """Run in the child; never returns."""
    code = 70
    try:
        process.redirect_output(_errors_of(task.target, os.getpid()))
        if kills_itself:
            process.die_at(task.target, task.rng, task.rng.choice(kind.dies_at), kind.points)
        code = kind.run(task)
    except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Load what every child needs, create the ledger, and run."""
    orders = Orders(**json.loads(sys.argv[1]))
    for name in {_MODULES.get(name, name) for name in COMMANDS}:
        _load(name)
    orders.target.beside("output").mkdir(exist_ok=True)
    orders.target.beside("copies").mkdir(exist_ok=True)
    if not orders.after_loss:
        with orders.target.engine("first") as engine:
            engine.poll()
    process.prepare(orders.target)
    rng = random.Random(orders.seed)
    report = KillRunner(orders=orders, rng=rng, jobs=orders.jobs).run()
    json.dump(vars(report), sys.stdout)


if __name__ == "__main__":
    main()
