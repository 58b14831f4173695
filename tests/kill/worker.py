"""What one process of a kill run does: submit a job or make a poll."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.builders import KEY, a_request

from core.api.client import AnthropicApi
from core.batches.engine_context import Context
from core.clock import SystemClock
from core.engine import Engine
from core.intake.options import SubmitOptions
from core.money.pricing import PriceBook
from core.poll import poll_run
from core.poll.poll_summary import PollSummary
from state.db.opening import open_ledger
from state.files.folder import Folder
from state.model.ledger_url import LedgerUrl

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
PRICES = PriceBook()
# Of the accelerated clock, and how many processes run at once.
SPEED = 60.0
AT_ONCE = 6
# Bound before `process.prepare` replaces them.
real_monotonic = SystemClock().monotonic
real_sleep = SystemClock().sleep


class SharedClock:
    """An accelerated clock with one origin for all processes; that of a host may be ahead."""

    def __init__(self, origin: float, speed: float, *, ahead_s: float = 0.0) -> None:
        self.origin = origin
        self.speed = speed
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic()) + self._ahead

    def monotonic(self) -> float:
        return (real_monotonic() - self.origin) * self.speed

    def sleep(self, seconds: float) -> None:
        real_sleep(seconds / self.speed)

    def advance(self, seconds: float) -> None:
        """Let time pass at once; for the process of the sandbox, when no other is running."""
        self.origin -= seconds / self.speed


@dataclass(frozen=True, kw_only=True)
class RunTarget:
    """The folder and the sandbox of a kill run; of a run with several hosts, those of one host."""

    home: Path
    address: str
    origin: float
    speed: float
    # The address of a ledger in PostgreSQL, and how far the clock of the host is ahead.
    ledger: str = ""
    ahead_s: float = 0.0

    @property
    def folder(self) -> Folder:
        return Folder(self.home, LedgerUrl(self.ledger) if self.ledger else None)

    def beside(self, name: str) -> Path:
        """A file or folder of the run that is not part of TITAN_HOME; hosts share it."""
        return self.home.parent / f"{'hosts' if self.ledger else self.home.name}-{name}"

    @property
    def hooks(self) -> Path:
        """What the delivery hooks of this home have noted."""
        return self.home.parent / f"{self.home.name}-hooks"

    def engine(self, actor: str, crash_point: Callable[[str], None] = lambda _name: None) -> Engine:
        """A new process's engine on the ledger and the sandbox."""
        clock = SharedClock(self.origin, self.speed, ahead_s=self.ahead_s)
        api = AnthropicApi(api_key=KEY, base_url=self.address)
        who = f"{actor}:{os.getpid()}"
        return Engine(
            Context(
                ledger=open_ledger(
                    self.folder,
                    now=clock.now,
                    actor=who,
                    crash_point=crash_point,
                    monotonic=clock.monotonic,
                ),
                folder=self.folder,
                clock=clock,
                api=lambda: api,
                prices=PRICES,
                instance_id=who,
                close=api.close,
            )
        )


def job_size(job: int) -> int:
    """The number of requests of a job, the same in each run."""
    return job % 4 + 1


def submit(engine: Engine, job: int) -> str:
    """Submit the job, as the scheduler does, also after a kill."""
    requests: list[object] = [
        a_request(f"kill-2026-11-22-{job:05d}{number}") for number in range(job_size(job))
    ]
    return engine.submit(requests, SubmitOptions(tag=f"job-{job}")).submission.key


def make_poll(engine: Engine, *, with_lease: bool) -> None:
    """Poll once; without the lease it runs concurrently with others, which must be safe too."""
    if with_lease:
        engine.poll()
    else:
        poll_run.run_steps(engine.context, PollSummary())


class DieAt:
    """Sends itself SIGKILL at a random crash point."""

    def __init__(self, rng: random.Random, points: int) -> None:
        self._left = rng.randint(1, points)

    def __call__(self, _name: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
