"""A simulated operating-system process: runs real code and can be killed at every crash point."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from greenlet import greenlet

from core.clock import Clock
from core.errors import TitanError
from state.db.ledger import Ledger
from state.db.postgres.ledger import PostgresLedger
from state.files.folder import Folder


class Crash(BaseException):
    """kill -9: no code of the program runs after it."""


class Host(Protocol):
    """What a process needs from the world."""

    def passed(self, process: "Process", step: str) -> None:
        """Called at each step; raises Crash or a ledger error to make it happen there."""
        ...

    def lets_others_run(self) -> bool:
        """Whether a process yields at each step so that others run."""
        ...


class Process:
    """A program that submits or polls, its ledger connection and its current step."""

    def __init__(
        self, host: Host, name: str, *, base: Clock, folder: Folder, skew: float = 0.0
    ) -> None:
        self.name = name
        # Of the host that it runs on.
        self.folder = folder
        self.clock: Clock = ProcessClock(base, self.sleep, skew=skew)
        self._base = base
        self.wakes_at = 0.0
        self.killed = False
        self.at = "start"
        self.steps = 0
        self.ledger: Ledger | None = None
        self.result: object = None
        self.problem: TitanError | None = None
        self.broken: Exception | None = None
        self._host = host
        self._greenlet: greenlet | None = None

    def begin(self, work: Callable[[], object]) -> None:
        """Prepare to run `work`; `resume` starts it."""
        self._greenlet = greenlet(lambda: self._work(work))

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._greenlet is None or self._greenlet.dead

    @property
    def is_writing(self) -> bool:
        """Whether it has the write lock."""
        if isinstance(self.ledger, PostgresLedger):
            return self.ledger._is_writing
        return self.ledger is not None and self.ledger.connection.in_transaction

    def resume(self) -> None:
        """Run until the next switch or the end."""
        if self._greenlet is not None:
            self._greenlet.switch()

    def crash_point(self, name: str) -> None:
        """Crash-point hook of the ledger and the files."""
        if self.killed:
            # Code in `finally` must not run after a kill.
            raise Crash
        self.steps += 1
        self.at = name
        self._host.passed(self, name)
        # A process with the write lock does not yield: the others would only wait for it.
        if not self.is_writing:
            self.switch()

    def call(self, name: str) -> None:
        """Crash-point hook of the API client; other processes run between calls."""
        if self.killed:
            raise Crash
        self.steps += 1
        self.at = name
        self._host.passed(self, name)
        self.switch()

    def switch(self) -> None:
        """Let the others run; raises Crash if this process was killed meanwhile."""
        if self.killed:
            raise Crash
        if self._greenlet is not None and self._greenlet.parent and self._host.lets_others_run():
            self._greenlet.parent.switch()
        if self.killed:
            raise Crash

    def sleep(self, seconds: float) -> None:
        """Sleep while the others run."""
        if self._host.lets_others_run():
            self.wakes_at = self._base.monotonic() + seconds
            self.at = "sleep"
            self.switch()
        else:
            self._base.sleep(seconds)

    def _work(self, work: Callable[[], object]) -> None:
        try:
            self.result = work()
        except TitanError as error:
            self.problem = error
        except Crash:
            self.killed = True
        except Exception as error:  # noqa: BLE001 - a traceback is a finding, whatever it is
            self.broken = error
        if self.ledger is not None:
            self.ledger.close()


class ProcessClock:
    """The world's clock with the skew of one process; its sleep lets others run."""

    def __init__(self, base: Clock, sleeper: Callable[[float], None], *, skew: float = 0.0) -> None:
        self._base = base
        self._sleeper = sleeper
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._base.now() + self._skew

    def monotonic(self) -> float:
        return self._base.monotonic()

    def sleep(self, seconds: float) -> None:
        self._sleeper(seconds)
