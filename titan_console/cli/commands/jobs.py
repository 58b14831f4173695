"""`titan-console jobs`: the catalogue of titan.toml, and its beginning, check and edits."""

from typing import Any

import click
from msgspec import Struct, to_builtins

from core.clock import SystemClock
from core.config import titan_file
from core.config.catalogue import Catalogue
from core.config.job import Job, Latency, Replay, Schedule
from core.config.settings import from_environment
from core.reporting import job_status
from core.reporting.job_status import JobStatusReport
from core.requests.cache_control import CachePolicy
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.records import OnFailure
from state.operations import pauses
from state.operations.pauses import Pause
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json, print_table
from titan_console.text import format as cells
from titan_console.text.safe_text import clean

_HEADER = (
    *("JOB", "TIER", "SCHEDULE", "LATENCY", "MODEL", "IN/RUN", "OUT/RUN", "DEADLINE"),
    *("FAILS TO", "CACHE", "MAX OUT"),
)


class JobReport(Struct, frozen=True, kw_only=True):
    """A job of titan.toml as JSON. `on_settled` is the old name of `on_delivery`."""

    job: str
    workload: str
    schedule: Schedule
    runs_a_month: float
    latency: Latency
    model: str
    tokens_in: int | None
    tokens_out: int | None
    deadline_h: int | None
    deadline_at: str | None
    on_failure: OnFailure
    cache: CachePolicy
    betas: tuple[str, ...]
    max_tokens: int | None
    on_delivery: tuple[str, ...]
    on_settled: tuple[str, ...]
    replay: Replay
    replay_tries: int
    note: str


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Show the jobs that titan.toml names, and what is never batched.

    Where there is no titan.toml yet, what `jobs init` would write is shown.
    """
    if ctx.invoked_subcommand is not None:
        return
    folder = Folder(from_environment().home)
    catalogue = titan_file.read_strictly(folder, or_template=True)
    paused = _paused(folder)
    if as_json:
        print_json(_report(catalogue, paused, _done(folder)))
        return
    _print(catalogue)
    for pause in paused:
        click.echo(f"\n{clean(pause.workflow)} is {clean(pause.words)}")
    if not titan_file.path_of(folder).exists():
        say("There is no titan.toml yet; this is what `titan-console jobs init` writes.")


@command.command("init")
def init() -> None:
    """Write titan.toml with every job; one that is there gets what it lacks, comments kept."""
    folder = Folder(from_environment().home)
    added = titan_file.begin(folder)
    for name in added:
        click.echo(name)
    say(f"{len(added)} jobs added to {titan_file.path_of(folder)}.")


@command.command("check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """List every problem in titan.toml with its line and key. Ends with 2 where there are any."""
    folder = Folder(from_environment().home)
    path = titan_file.path_of(folder)
    catalogue = titan_file.read(folder)
    for problem in catalogue.problems:
        say(str(problem))
    if catalogue.problems:
        ctx.exit(Exit.USAGE)
    if not path.exists():
        say(f"There is no {path}; the never-batch list holds without it.")
        return
    click.echo(f"{path}: {len(catalogue.jobs)} jobs, no problems.")


@command.command("set")
@click.argument("job")
@click.argument("key")
@click.argument("value")
def set_key(*, job: str, key: str, value: str) -> None:
    """Change one KEY of a JOB to VALUE, and nothing else in the file.

    For example: titan-console jobs set titan-daily-feed tokens_in 30000
    """
    titan_file.set_key(Folder(from_environment().home), job, key, value)


@command.command("unset")
@click.argument("job")
@click.argument("key")
def unset_key(*, job: str, key: str) -> None:
    """Take one KEY of a JOB away, and nothing else in the file."""
    titan_file.unset_key(Folder(from_environment().home), job, key)


def _print(catalogue: Catalogue) -> None:
    print_table(
        _HEADER,
        (
            (
                job.name,
                job.workload,
                job.schedule,
                job.latency,
                job.model,
                _tokens(job.tokens_in),
                _tokens(job.tokens_out),
                _deadline(job),
                job.on_failure,
                job.cache,
                _tokens(job.max_tokens),
            )
            for job in catalogue.jobs.values()
        ),
    )
    click.echo()
    print_table(("NEVER BATCHED", "WHY"), catalogue.denylist.reasons().items())


def _deadline(job: Job) -> str:
    if job.deadline_at is not None:
        return str(job.deadline_at)
    return cells.NOTHING if job.deadline_h is None else f"{job.deadline_h}h"


def _tokens(number: int | None) -> str:
    return cells.NOTHING if number is None else cells.count(number)


def _paused(folder: Folder) -> list[Pause]:
    if not folder.ledger.exists():
        return []
    with Reader(folder.ledger) as reader:
        return pauses.paused(reader)


def _done(folder: Folder) -> dict[str, JobStatusReport]:
    """What each job did and when it is due, once there is a ledger."""
    if not folder.ledger.exists():
        return {}
    with Reader(folder.ledger) as reader:
        board = job_status.read(reader, folder, SystemClock().now())
    return {line.name: job_status.report(line) for line in board.lines}


def _report(
    catalogue: Catalogue, paused: list[Pause], done: dict[str, JobStatusReport]
) -> dict[str, Any]:
    return {
        "jobs": [
            to_builtins(_job(job)) | (to_builtins(done[name]) if name in done else {})
            for name, job in catalogue.jobs.items()
        ],
        "paused": paused,
        "never_batch": catalogue.denylist.reasons(),
    }


def _job(job: Job) -> JobReport:
    return JobReport(
        job=job.name,
        workload=job.workload,
        schedule=job.schedule,
        runs_a_month=float(round(job.schedule.runs_a_month, 3)),
        latency=job.latency,
        model=job.model,
        tokens_in=job.tokens_in,
        tokens_out=job.tokens_out,
        deadline_h=job.deadline_h,
        deadline_at=str(job.deadline_at) if job.deadline_at else None,
        on_failure=job.on_failure,
        cache=job.cache,
        betas=job.betas,
        max_tokens=job.max_tokens,
        on_delivery=job.on_delivery,
        on_settled=job.on_delivery,
        replay=job.replay,
        replay_tries=job.replay_tries,
        note=job.note,
    )
