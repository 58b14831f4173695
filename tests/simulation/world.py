"""The environment of the processes of one history: clock, API, disk, accidents."""

import os
import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from simulation.budgets import Budget
from simulation.fault_profile import FaultProfile
from simulation.jobs import Stubborn, Surroundings
from simulation.places import SQLITE, LedgerFile, Place, SharedLedger
from simulation.process import Crash, Process
from simulation.replacing import Replacing
from simulation.stepped_api import SteppedApi
from simulation.sync_bill import custom_id_of, synchronous_cost
from simulation.unreadable_files import UnreadableFiles
from support.builders import BASE_URL, KEY

from core.api.client import AnthropicApi
from core.batches.engine_context import Context
from core.clock import ManualClock
from core.engine import Engine
from core.money.pricing import PriceBook
from core.requests.payload import Limits
from state.db.ledger import ALPHABET, Ledger
from state.files.folder import Folder
from state.model.errors import IllegalTransition, LedgerBusy, LedgerError, LedgerUnusable
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.transport import client

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
_PRICES = PriceBook()
_LONGEST_SLEEP_S = 120.0


@dataclass(kw_only=True)
class Figures:
    """Counts of steps, kills, accidents and faults."""

    steps: Counter[str] = field(default_factory=Counter[str])
    kills: Counter[str] = field(default_factory=Counter[str])
    accidents: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    operations: Counter[str] = field(default_factory=Counter[str])
    ledger: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: "Figures") -> None:
        self.steps += other.steps
        self.kills += other.kills
        self.accidents += other.accidents
        self.faults += other.faults
        self.operations += other.operations
        self.ledger += other.ledger


class World:
    """One machine, or hosts with one ledger, and one API; all events are drawn from one seed."""

    def __init__(
        self, home: Path, seed: int, profile: FaultProfile, *, database: str = SQLITE
    ) -> None:
        self.seed = seed
        self.profile = profile
        self.rng = random.Random(seed)
        # Separate, so that one more generated key does not change the rest of the history.
        self._words = random.Random(f"words {seed}")
        self.operations = random.Random(f"operate {seed}")
        self.clock = ManualClock(START)
        made = LedgerFile if database == SQLITE else SharedLedger
        self.place: Place = made(home, self)
        # That of the first host; a ledger of SQLite has no other one.
        self.folder = self.place.hosts[0]
        # Separate, so that a history with one host is the same without this.
        self._hosts = random.Random(f"hosts {seed}")
        self.faults = Faults(profile.faults, seed=seed)
        self.sandbox = Sandbox(
            _SandboxClock(self), seed=seed, plan=profile.plan, faults=self.faults
        )
        self.figures = Figures()
        self.log: list[str] = []
        self.replacing = Replacing(self)
        self.budget = Budget(self)
        self.unreadable_files = UnreadableFiles(self.place.hosts, self.operations)
        # What each synchronous call was billed, by custom_id, in nano-dollars.
        self.sync_bill: dict[str, list[int]] = {}
        self.is_quiet = False
        self.running: Process | None = None
        self.processes: list[Process] = []
        self.sent_at: dict[str, float] = {}
        self.posted_at: dict[str, list[float]] = {}
        # By nonce: the requests that go on after an answer.
        self.follow_ups: dict[str, frozenset[str]] = {}
        self.repeated: set[str] = set()
        self.jumps: list[float] = []
        self.broken: list[str] = []
        self.kill_at: Callable[[Process, str], bool] = lambda _process, _step: False
        self._started = 0
        self._synced: dict[int, int] = {}
        self._api = AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=client(self.sandbox))

    # Used by the processes.

    def start(
        self, name: str, work: Callable[[Engine], object], *, folder: Folder | None = None
    ) -> Process:
        """Create a process with an engine, on the host of that folder; `resume` starts it."""
        return self.start_process(name, lambda process: self._run(process, work), folder=folder)

    def start_process(
        self, name: str, work: Callable[[Process], object], *, folder: Folder | None = None
    ) -> Process:
        """Create a process, on any host if none is given; `resume` starts it."""
        self._started += 1
        folder = folder or self._hosts.choice(self.place.hosts)
        ahead = self.profile.clocks_apart * self.place.hosts.index(folder)
        process = Process(
            self,
            f"{name}{self._started}",
            base=self.clock,
            skew=self.rng.uniform(-1, 1) * self.profile.skew + ahead,
            folder=folder,
        )
        process.begin(lambda: work(process))
        self.processes.append(process)
        return process

    def host_of(self, job: int) -> Folder:
        """The host that the job is scheduled on; sometimes it runs on another one."""
        hosts = self.place.hosts
        is_moved = len(hosts) > 1 and self._hosts.random() < 0.1
        return self._hosts.choice(hosts) if is_moved else hosts[job % len(hosts)]

    def _run(self, process: Process, work: Callable[[Engine], object]) -> object:
        try:
            engine = self._engine(process)
        except LedgerError as error:
            if not isinstance(work, Stubborn):
                raise
            return work.without_ledger(self._surroundings(process), error)
        return work(engine)

    def _surroundings(self, process: Process) -> Surroundings:
        return Surroundings(
            folder=process.folder,
            clock=process.clock,
            api=self._stepped(process),
            crash_point=process.crash_point,
        )

    def _stepped(self, process: Process) -> SteppedApi:
        return SteppedApi(self._api, process.call, self)

    def _engine(self, process: Process) -> Engine:
        self.replacing.refuse_others()
        ledger = self.place.open(process)
        process.ledger = ledger

        return Engine(
            Context(
                ledger=ledger,
                folder=process.folder,
                clock=process.clock,
                api=lambda: self._stepped(process),
                prices=_PRICES,
                instance_id=process.name,
                limits=Limits(max_requests=self.profile.max_requests),
                rng=random.Random(self.seed),
            )
        )

    def begins(self, nonce: str, follow_ups: Sequence[str]) -> None:
        """Called before each POST: a process that slept after recording the send must not."""
        self.follow_ups[nonce] = frozenset(follow_ups)
        self.figures.operations["asked again"] += len(follow_ups)
        slept = self.clock.monotonic() - self.sent_at.get(nonce, self.clock.monotonic())
        if slept > _LONGEST_SLEEP_S:
            self.broken.append(f"P4: {nonce} was posted after a sleep of {slept:.0f} s")

    def repeats(self, nonce: str) -> bool:
        """Whether a proxy sends this POST twice."""
        self.posted_at.setdefault(nonce, []).append(self.clock.monotonic())
        if self.is_quiet or self.rng.random() >= self.profile.repeat:
            return False
        self.repeated.add(nonce)
        self.figures.accidents["POST repeated by a proxy"] += 1
        return True

    @contextmanager
    def bills(self, params: Mapping[str, object]) -> Generator[None, None, None]:
        """Record what the call of this request is billed, whether or not its response arrives."""
        self.figures.operations["synchronous run"] += 1
        messages = self.sandbox._messages
        before = len(messages)
        try:
            yield
        finally:
            for row in messages[before:]:
                cost = synchronous_cost(row)
                self.sync_bill.setdefault(custom_id_of(params), []).append(cost)

    def defect(self, call: str) -> None:
        """Maybe a bug of ours, while one batch is handled."""
        if not self.is_quiet and self.operations.random() < self.profile.defects:
            self.figures.operations[f"defect: {call}"] += 1
            self.note(f"a defect in {call}")
            raise ValueError("a defect")

    def ledger_is_unusable(self) -> bool:
        """Whether a job finds the ledger unusable, and keeps its requests in a fallback file."""
        found = not self.is_quiet and self.operations.random() < self.profile.fallback
        self.figures.operations["fallback file"] += found
        return found

    def batch_keys(self) -> list[str]:
        """The keys of all batches in the ledger."""
        if self.replacing.is_lost:
            return []
        return [key for (key,) in self.place.rows("SELECT key FROM batches ORDER BY id")]

    def new_id(self, length: int) -> str:
        return "".join(self._words.choice(ALPHABET) for _ in range(length))

    # Accidents.

    def lets_others_run(self) -> bool:
        return not self.is_quiet

    def passed(self, process: Process, step: str) -> None:
        """Record a step; an accident may happen at it."""
        self.figures.steps[step] += 1
        at = self.clock.monotonic()
        self.log.append(f"{at:>10.1f}s {process.name:<10} {step}")
        locked = process.is_writing
        if step == "sending:commit" and process.ledger is not None:
            self._note_sending(process.ledger, process)
        if self.kill_at(process, step):
            self.mark_killed(process, step)
            raise Crash
        if self.is_quiet:
            return
        if locked and self.rng.random() < self.profile.kill_in_transaction:
            self.mark_killed(process, step)
            raise Crash
        if ":" in step and self.rng.random() < self.profile.ledger_failures:
            self._fail_ledger(step)

    def _note_sending(self, ledger: Ledger, process: Process) -> None:
        rows = ledger.rows(
            # A synchronous run of the process is admitted with its command, or when it begins.
            "SELECT nonce, workflow FROM batches WHERE status = 'sending' AND owner = ?"
            " AND kind = 'batch'",
            process.name,
        )
        for nonce, workflow in rows:
            if nonce not in self.sent_at and self.budget.forbids(workflow):
                self.broken.append(f"P4: {nonce} of {workflow} is sent beyond the limit")
            self.sent_at[nonce] = self.clock.monotonic()

    def _fail_ledger(self, step: str) -> None:
        """Another program locks the ledger, or the disk is full."""
        if step.endswith(":begin"):
            self.figures.accidents["ledger busy"] += 1
            self.note("the ledger is busy")
            raise LedgerBusy("The ledger was held by another program.")
        if step.endswith(":commit"):
            self.figures.accidents["disk full"] += 1
            self.note("the disk is full")
            raise LedgerUnusable("The disk is full.")

    def mark_killed(self, process: Process, step: str) -> None:
        """kill -9."""
        self.figures.kills[step] += 1
        self.note(f"{process.name} is killed at {step}")
        process.killed = True
        self.place.kill(process)

    def kill(self, process: Process) -> None:
        """kill -9 at its current step."""
        self.mark_killed(process, process.at)
        self.resume(process)
        if not process.is_over:
            self.broken.append(f"{process.name} continued after it was killed at {process.at}")

    def resume(self, process: Process) -> None:
        """Run it until its next switch."""
        self.running = process
        process.resume()
        self.running = None
        if process.is_over and process in self.processes:
            self.processes.remove(process)
            if process.broken is not None:
                self.broken.append(f"{process.name} ended with a traceback: {process.broken!r}")
            if isinstance(process.problem, IllegalTransition):
                self.broken.append(f"{process.name} tried an illegal transition: {process.problem}")

    def cut_power(self) -> None:
        """Kill all processes; unsynced data may be lost, in part or completely."""
        self.figures.accidents["power cut"] += 1
        for process in list(self.processes):
            self.kill(process)
        for path in sorted(path for host in self.place.hosts for path in host.root.rglob("*")):
            # SQLite syncs its files by itself; a backup is synced like any other file.
            if path.is_file() and not path.name.startswith("titan."):
                found = path.stat()
                safe = min(self._synced.get(found.st_ino, 0), found.st_size)
                if safe < found.st_size:
                    os.truncate(path, self.rng.randint(safe, found.st_size))
        self.note("the power was cut")

    def synced(self, descriptor: int) -> None:
        """Replaces fsync: records how much of the file is durable."""
        with suppress(OSError):
            found = os.fstat(descriptor)
            self._synced[found.st_ino] = found.st_size

    def close(self) -> None:
        """End what is left of its processes."""
        self.place.close()

    def note(self, what: str) -> None:
        self.log.append(f"{self.clock.monotonic():>10.1f}s -- {what}")


class _SandboxClock:
    """Calls to the API take time, in which other processes run."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.clock.now()

    def monotonic(self) -> float:
        return self._world.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        if self._world.running is None:
            self._world.clock.sleep(seconds)
        else:
            self._world.running.sleep(seconds)
