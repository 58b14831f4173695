"""What the processes of a run with kills do: real commands, chosen at random.

Each action is a function that runs in its own process and returns that process's exit code.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kill import process
from kill.jobs import WORKFLOWS, Job
from kill.worker import RunTarget

import titan_batch
from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.poll import poll_run
from core.poll.poll_summary import PollSummary
from state.model.errors import LedgerBusy, LedgerError
from titan_console.cli.exit_codes import Exit

# Where a process is killed: words in the names of crash points, "" for any.
ANYWHERE = ("",)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One process to run."""

    target: RunTarget
    rng: random.Random
    # A job; for actions on requests, one that was submitted before.
    job: Job
    # A copy of the ledger, for a rebuild.
    copy: Path


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of process, how often it is chosen, and at which crash points it is killed."""

    run: Callable[[Task], int]
    share: int
    dies_at: tuple[str, ...] = ANYWHERE
    points: int = 20


def _submit(task: Task) -> int:
    if task.job.by_file:
        files = task.target.beside("inputs")
        files.mkdir(exist_ok=True)
        return process.run("submit", *task.job.words(files))
    key = task.job.submit()
    process.append(task.target.beside("keys"), f"{task.job.number} {key}")
    if task.rng.random() < 0.2:
        try:
            titan_batch.poll_and_collect(key)
        except LedgerError as error:
            # As documented while the ledger is lost or replaced; at other times 3 is a finding.
            sys.stderr.write(f"{error.code}: {error}\n")
            return int(Exit.UNUSABLE)
        titan_batch.reconcile(task.job.tag)
    return 0


def _submit_without_ledger(task: Task) -> int:
    """As while another program has the ledger: it can be read, and not written."""
    process.replace_in(titan_batch, "an_engine", _busy)
    key = task.job.submit()
    process.append(task.target.beside("keys"), f"{task.job.number} {key}")
    return _poll(task) if task.rng.random() < 0.6 else 0


def _busy() -> NoReturn:
    raise LedgerBusy("Another program has the ledger.")


def _poll(task: Task) -> int:
    return process.run(*task.rng.choice((["--poll"], ["poll", "--json"])))


def _back_up(task: Task) -> int:
    """A poll that has to make the backup of its day."""
    for backup in (task.target.home / "backups").glob("titan-*.db"):
        backup.unlink(missing_ok=True)
    return _poll(task)


def _poll_together(_task: Task) -> int:
    """A poll at the same time as another one, which must be safe too."""
    with open_engine(from_environment(), actor="together") as engine:
        poll_run.run_steps(engine.context, PollSummary())
    return 0


def _command(*words: str, options: tuple[str, ...] = ()) -> Callable[[Task], int]:
    def run(task: Task) -> int:
        about = [task.job.tag] if task.rng.random() < 0.6 else ["--workflow", task.job.workflow]
        chosen = [option for option in options if task.rng.random() < 0.5]
        return process.run(*words, *about, "--yes", *chosen)

    return run


def _pause(task: Task) -> int:
    action = "pause" if task.rng.random() < 0.5 else "resume"
    return process.run(action, task.rng.choice(WORKFLOWS), "--yes")


def _read(task: Task) -> int:
    views = (
        ["status", "--json"],
        ["errors", "--json"],
        ["export", task.job.tag, "--format", "csv"],
        ["show", task.job.tag],
        ["results", task.job.tag],
        ["events", "--json"],
        ["doctor", "--json"],
        ["kpis", "--json"],
        ["digest"],
    )
    return process.run(*task.rng.choice(views))


def _rebuild(task: Task) -> int:
    process.without_key(task.copy)
    return process.run("rebuild", "--yes")


def _restore(task: Task) -> int:
    """The newest backup in the copy, which is older than the rest of it."""
    process.without_key(task.copy)
    backups = sorted((task.copy / "backups").glob("titan-*.db"))
    return process.run(*(["restore", backups[-1].name] if backups else ["rebuild"]), "--yes")


def _rebuild_here(_task: Task) -> int:
    return process.run("rebuild", "--yes")


def _submit_to_copy(task: Task) -> int:
    """Submit while a rebuild of the same ledger may be running."""
    process.without_key(task.copy)
    meanwhile = Job(10_000_000 + 44 * task.rng.randrange(10**6) + 1)
    key = meanwhile.submit()
    process.append(task.copy.parent / f"{task.copy.name}-keys", key)
    return 0


KINDS: dict[str, Kind] = {
    "submit": Kind(run=_submit, share=24, points=24),
    "submit without ledger": Kind(
        run=_submit_without_ledger, share=5, dies_at=("", "fallback", "mirror")
    ),
    "poll": Kind(
        run=_poll,
        share=26,
        dies_at=("", "", "collect", "deliver", "staging", "hook", "hook:ran"),
        points=40,
    ),
    "poll together": Kind(run=_poll_together, share=8, dies_at=("", "hook"), points=40),
    "poll with backup": Kind(run=_back_up, share=4, dies_at=("", "backup"), points=40),
    "replay": Kind(run=_command("replay", options=("--force", "--canary")), share=6),
    "cancel": Kind(run=_command("cancel"), share=4),
    "sync": Kind(run=_command("sync"), share=7, dies_at=("", "sync")),
    "acknowledge": Kind(run=_command("acknowledge"), share=4),
    "pause, resume": Kind(run=_pause, share=3),
    "read": Kind(run=_read, share=4),
    "rebuild": Kind(run=_rebuild, share=8, points=60),
    "restore": Kind(run=_restore, share=8, points=60),
    "submit during rebuild": Kind(run=_submit_to_copy, share=6),
    "rebuild in place": Kind(run=_rebuild_here, share=0, points=60),
}
# These submit the next job, and once more if they are killed.
SUBMITS = ("submit", "submit without ledger")
# While the ledger itself is lost: until a rebuild has ended, the others may be refused.
AFTER_LOSS = {"rebuild in place": 40, "submit": 40, "poll": 20}
# Of a ledger in PostgreSQL, backups and rebuilds are the server's business.
AMONG_HOSTS = {
    name: kind.share
    for name, kind in KINDS.items()
    if not any(word in name for word in ("backup", "rebuild", "restore"))
}
