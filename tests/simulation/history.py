"""One history: a phase with faults, one without that finishes everything, then the checks."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from simulation.checks import check
from simulation.fault_profile import (
    ACCOUNT_REJECTIONS,
    FaultProfile,
    among_hosts,
    draw_with_operations,
)
from simulation.jobs import Submission
from simulation.machine import a_machine
from simulation.operators import a_command
from simulation.oracle import is_gone
from simulation.places import SQLITE
from simulation.process import Process
from simulation.replacing import resume_paused
from simulation.world import Figures, World

from core.engine import Engine
from state.db.connection import sqlite3
from state.files.folder import Folder
from state.model.records import OnFailure

# Polls as by cron at first; the long waits after that are for batches that take their 24 hours.
_HEALING = (2700.0,) * 8 + (14_400.0,) * 16 + (43_200.0,) * 12
_POLL_EVERY_S = 2700.0
_OPEN_THINGS = """
    SELECT (SELECT count(*) FROM batches WHERE status NOT IN ('not_sent', 'rejected', 'ended')
        OR collection = 'pending')
    + (SELECT count(*) FROM requests WHERE status IN ('queued', 'assigned'))
    + (SELECT count(*) FROM orphans WHERE verdict = 'candidate')
    + (SELECT count(*) FROM submissions WHERE delivered_ts IS NULL)
    + (SELECT count(*) FROM commands WHERE state IN ('pending', 'running'))
"""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@dataclass(kw_only=True)
class History:
    """The result of one seed."""

    seed: int
    violations: list[str]
    log: list[str]
    figures: Figures = field(default_factory=Figures)


def run_history(
    seed: int, profile: FaultProfile | None = None, *, database: str = SQLITE
) -> History:
    """Run one seed, with its own fault profile or a given one."""
    profile = profile or draw_with_operations(seed)
    if database != SQLITE:
        profile = among_hosts(seed, profile)
    with a_home() as home, closing(World(home, seed, profile, database=database)) as world:
        submissions = the_jobs(world)
        try:
            with a_machine(world):
                run_with_faults(world, submissions)
                run_to_end(world, submissions)
                violations = world.broken or check(world, submissions)
        except sqlite3.Error as error:
            violations = [*world.broken, f"the ledger cannot be read: {error!r}"]
        return History(
            seed=seed,
            violations=violations,
            log=world.log,
            figures=world.figures,
        )


def the_jobs(world: World) -> list[Submission]:
    """The jobs of a history; some run synchronously what the API does not accept."""
    profile, rng = world.profile, world.operations
    return [
        Submission(
            number=number,
            count=count,
            on_failure=OnFailure.SYNC if rng.random() < profile.sync_jobs else OnFailure.QUEUE,
            disk=world if profile.fallback else None,
            primed=profile.primed,
            structured=Random(f"structured {world.seed} {number}").random() < profile.structured,
        )
        for number, count in enumerate(profile.submissions)
    ]


@contextmanager
def a_home() -> Generator[Path, None, None]:
    home = Path(tempfile.mkdtemp(prefix="titan-sim-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_with_faults(world: World, submissions: list[Submission]) -> None:
    """Processes start, take turns and are killed."""
    rng, profile = world.rng, world.profile
    for _ in range(profile.steps):
        _accident(world)
        if len(world.processes) < profile.busy_together and rng.random() < 0.4:
            _start(world, submissions)
        if world.operations.random() < profile.operators:
            _start_operator(world, submissions)
        world.replacing.maybe_start()
        world.budget.maybe_change()
        awake = [p for p in world.processes if p.wakes_at <= world.clock.monotonic()]
        if not awake:
            world.clock.advance(rng.choice((1, 20, 120)))
            continue
        is_newest = profile.newest_first and rng.random() < profile.newest_first
        _run_a_while(world, awake[-1] if is_newest else rng.choice(awake))


def _start(world: World, submissions: list[Submission]) -> Process:
    if world.rng.random() < 0.35:
        job = world.rng.choice(submissions)
        return world.start("submit", job, folder=world.host_of(job.number))
    return world.start("poll", Engine.poll)


def _start_operator(world: World, submissions: list[Submission]) -> None:
    action, run = a_command(world.operations, [job.tag for job in submissions])
    world.figures.operations[f"operator: {action}"] += 1
    world.start("operator", run)


def _run_a_while(world: World, process: Process) -> None:
    """Run a burst of steps of one process."""
    rng, profile = world.rng, world.profile
    while not process.is_over and process.wakes_at <= world.clock.monotonic():
        if rng.random() < profile.kill:
            world.kill(process)
            return
        if rng.random() < profile.freeze:
            seconds = rng.choice((130.0, 1000.0, 5000.0))
            process.wakes_at = world.clock.monotonic() + seconds
            world.figures.accidents["process frozen"] += 1
            world.note(f"{process.name} is frozen for {seconds:.0f} s")
            return
        world.resume(process)
        if rng.random() > profile.burst:
            return


def _accident(world: World) -> None:
    rng, profile = world.rng, world.profile
    if rng.random() < 0.25:
        world.clock.advance(rng.choice((0.2, 1, 20, 120, 700)))
    if rng.random() < profile.power_cut:
        world.cut_power()
    if rng.random() < profile.jump:
        seconds = rng.choice((-86_400.0, -3600.0, -5.0, 5.0, 3600.0, 86_400.0))
        world.clock.jump(seconds)
        world.jumps.append(world.clock.monotonic())
        world.figures.accidents["clock jump"] += 1
        world.note(f"the time of day jumps by {seconds:.0f} s")
    if rng.random() < profile.foreign:
        _add_foreign(world)
    if rng.random() < profile.outside:
        _act_outside(world)
    _machine_accident(world)


def _machine_accident(world: World) -> None:
    profile = world.profile
    if world.operations.random() < profile.vanish + profile.endless:
        _doom(world)
    if world.operations.random() < profile.unreadable_files:
        world.unreadable_files.add(world)
    if world.operations.random() < 0.02:
        world.unreadable_files.restore()


def _add_foreign(world: World) -> None:
    """Another batch, as large as one of ours may be, and with ids that look like ours."""
    sizes = world.profile.submissions
    is_varied = max(sizes) > 4
    count = world.rng.choice(sizes if is_varied else (1, 2, 3, min(4, world.profile.max_requests)))
    look = world.rng.choice(("f-{}", "work-job-0-2026-11-22-{:05d}-abcdefgh"))
    world.sandbox.add_foreign([look.format(number) for number in range(1, count + 1)])
    world.figures.accidents["foreign batch"] += 1


def _act_outside(world: World) -> None:
    """Another tool ends or cancels one of our batches."""
    ours = [
        book for book in world.sandbox.billing_log().batches if not book.foreign and not book.ended
    ]
    if not ours:
        return
    book = world.rng.choice(ours)
    if world.sandbox._provider._batches[book.batch_id].vanish_at is not None:
        return
    if world.rng.random() < 0.5:
        outcomes = {
            name: world.rng.choice(("expired", "canceled", "errored")) for name in book.custom_ids
        }
        world.sandbox.end(book.batch_id, outcomes if world.rng.random() < 0.5 else None)
        world.figures.accidents["batch ended outside"] += 1
    else:
        provider = world.sandbox._provider
        provider.cancel(book.workspace, book.batch_id, world.sandbox._time.now())
        world.figures.accidents["batch canceled outside"] += 1


def _doom(world: World) -> None:
    """One of our open batches vanishes, for a while or for ever, or never ends."""
    ours = [book for book in world.sandbox.billing_log().batches if not book.foreign]
    open_ones = [book.batch_id for book in ours if not book.ended]
    if not open_ones:
        return
    rng, profile = world.operations, world.profile
    batch_id = rng.choice(open_ones)
    if rng.random() * (profile.vanish + profile.endless) < profile.vanish:
        seconds = rng.choice((0.0, 0.0, 600.0, 7200.0, 30_000.0))
        world.sandbox.vanish(batch_id, seconds=seconds)
        world.figures.operations["batch vanished: " + ("for a while" if seconds else "ever")] += 1
        world.note(f"{batch_id} vanishes, for {seconds:.0f} s")
    else:
        world.sandbox.make_endless(batch_id)
        world.figures.operations["batch never ends"] += 1
        world.note(f"{batch_id} never ends")


def run_to_end(world: World, submissions: list[Submission]) -> None:
    """Turn faults off: processes end, jobs are repeated, and polls run as by cron."""
    _count_faults(world)
    world.faults.clear()
    world.unreadable_files.restore()
    world.budget.remove()
    world.is_quiet = True
    world.note("no more faults")
    for process in list(world.processes):
        if world.rng.random() < 0.5:
            world.kill(process)
        while not process.is_over:
            world.resume(process)
    world.replacing.end_loss()
    if world.replacing.is_lost:
        return
    if world.profile.replacements:
        run_alone(world, "resume", resume_paused)
    for job in submissions:
        run_alone(world, "again", job, folder=world.host_of(job.number))
    _poll_until_quiet(world)


def _poll_until_quiet(world: World) -> None:
    for seconds in _HEALING:
        world.clock.advance(seconds)
        _poll_everywhere(world)
        if _is_quiet(world) and _stays_quiet(world):
            break


def _count_faults(world: World) -> None:
    rules, figures = world.faults.rules, world.figures
    for number, times in world.faults._hits.items():
        call, what = rules[number].call, rules[number].what
        figures.faults[f"{call}:{what}"] += times
        if what in ACCOUNT_REJECTIONS:
            figures.operations[f"account rejected: {call}:{what}"] += times


def _stays_quiet(world: World) -> bool:
    """Whether two more polls find nothing new, such as a batch that was listed late."""
    for _ in range(2):
        world.clock.advance(_POLL_EVERY_S)
        _poll_everywhere(world)
    return _is_quiet(world)


def _poll_everywhere(world: World) -> None:
    """A poll of each host."""
    for folder in world.place.hosts:
        run_alone(world, "poll", Engine.poll, folder=folder)


def run_alone(
    world: World, name: str, work: "Submission | object", *, folder: Folder | None = None
) -> Process:
    """Run a process without interruption."""
    process = world.start(name, work, folder=folder)  # pyright: ignore[reportArgumentType]
    while not process.is_over:
        world.resume(process)
    if process.problem is not None and world.is_quiet:
        world.broken.append(f"without faults {name} ended with {process.problem!r}")
    return process


def _is_quiet(world: World) -> bool:
    """Whether the API and the ledger have no open work."""
    now = world.sandbox._time.now()
    if not all(
        (batch.ended_at and (batch.back_at is None or batch.back_at <= now)) or is_gone(batch)
        for batch in world.sandbox._provider._batches.values()
    ):
        return False
    ((open_things,),) = world.place.rows(_OPEN_THINGS)
    return open_things == 0


def relevant_lines(log: list[str]) -> list[str]:
    """The log without the steps that every poll makes."""
    return [line for line in log if not line.split()[-1].startswith(("lease:", "pass:"))]
