"""`titan-console jobs`: lists the jobs in titan.toml; creates, checks and edits the file."""

from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from core.clock import SystemClock
from core.config import titan_file
from core.config.job import Job, Latency
from core.config.settings import from_environment
from core.config.titan_tables import TitanToml
from core.config.toml_reader import dotted
from core.reporting import job_records, job_status, json_reports
from core.reporting.job_status import JobStatusReport, model_warnings
from core.reporting.ledger_time import ledger_now
from core.text import pluralize
from state.db.opening import reader_if_any
from state.files.folder import Folder
from state.operations import pauses
from state.operations.pauses import Pause
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells
from titan_console.text.safe_text import clean

# What each value means, in a word or two.
_LATENCIES = {
    Latency.SOFT: "by its deadline",
    Latency.HARD_BATCH: "not urgent",
    Latency.CADENCE: "before the next run",
}
_HEADER = (
    *("JOB", "WORKLOAD", "SCHEDULE", "LATENCY", "MODEL", "IN/RUN", "OUT/RUN", "DEADLINE"),
    *("ON FAILURE", "CACHE", "MAX OUT"),
)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the jobs in titan.toml, and the never-batch list: names that must not be batched.

    Without a titan.toml, lists the examples that `jobs init` would write; the never-batch list is
    built in.
    """
    if ctx.invoked_subcommand is not None:
        return
    folder = from_environment().folder
    titan_toml = titan_file.read_strictly(folder, or_template=True)
    paused = _paused(folder)
    if as_json:
        print_json(_report(titan_toml, paused, _history(folder)))
        return
    if not titan_file.path_of(folder).exists():
        print_stderr(
            "No titan.toml yet: these jobs are examples and not in force;"
            " `titan-console jobs init` writes them. The never-batch list is built in and in force."
        )
    _print(titan_toml)
    for warning in model_warnings(titan_toml, SystemClock().now()):
        echo(f"\n{clean(warning)}")
    for pause in paused:
        echo(f"\n{clean(pause.workflow)}: {clean(pause.text)}")


@command.command("init")
def init() -> None:
    """Create titan.toml from the template, or add its missing jobs.

    Comments are kept.
    """
    folder = from_environment().folder
    added, path = titan_file.begin(folder), titan_file.path_of(folder)
    if not added:
        print_stderr(f"{path} has every job of the template; nothing was added.")
        return
    print_stderr(f"{pluralize(len(added), 'job')} added to {path}:")
    for name in added:
        echo(name)
    print_stderr(
        "They are examples: remove those that you do not have. `kpis` counts each job without a"
        " record as not batched."
    )


@command.command("check")
@json_option
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """List every problem in titan.toml with its line and key, then unknown and retiring models.

    Exits with 2 if there are problems.
    """
    folder = from_environment().folder
    path = titan_file.path_of(folder)
    titan_toml = titan_file.read(folder)
    if as_json:
        print_json(_check_report(titan_toml, path))
        ctx.exit(Exit.USAGE if titan_toml.problems else Exit.DONE)
    for problem in titan_toml.problems:
        print_stderr(str(problem))
    if titan_toml.problems:
        ctx.exit(Exit.USAGE)
    if not path.exists():
        print_stderr(f"{path} does not exist; the built-in never-batch list applies.")
        return
    for warning in model_warnings(titan_toml, SystemClock().now()):
        print_stderr(warning)
    echo(f"{path}: {pluralize(len(titan_toml.jobs), 'job')}, no problems.")


def _check_report(titan_toml: TitanToml, path: Path) -> dict[str, Any]:
    """`jobs` counts those that are valid; `line` is null where the file as a whole is wrong."""
    return {
        "file": str(path) if path.exists() else None,
        "jobs": len(titan_toml.jobs),
        "problems": [
            {
                "line": problem.line or None,
                "key": dotted(problem.path) or None,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in titan_toml.problems
        ],
        "warnings": list(model_warnings(titan_toml, SystemClock().now())),
    }


@command.command("set")
@click.argument("job")
@click.argument("key")
@click.argument("value")
def set_key(*, job: str, key: str, value: str) -> None:
    """Set KEY of JOB to VALUE; a key that excludes KEY is removed, the rest is unchanged.

    For example: titan-console jobs set titan-daily-feed tokens_in 30000
    """
    folder = from_environment().folder
    replaced = titan_file.set_key(folder, job, key, value)
    removed = f"; {replaced} is removed" if replaced else ""
    print_stderr(f"{key} of {job} is set in {titan_file.path_of(folder)}{removed}.")
    for warning in model_warnings(titan_file.read(folder), SystemClock().now(), names=[job]):
        print_stderr(warning)


@command.command("unset")
@click.argument("job")
@click.argument("key")
def unset_key(*, job: str, key: str) -> None:
    """Remove KEY from JOB; the rest of the file is unchanged."""
    folder = from_environment().folder
    titan_file.unset_key(folder, job, key)
    print_stderr(f"{key} of {job} is removed from {titan_file.path_of(folder)}.")


def _print(titan_toml: TitanToml) -> None:
    print_table(
        _HEADER,
        (
            (
                job.name,
                job.workload,
                job.schedule,
                _LATENCIES[job.latency],
                job.model,
                _tokens(job.tokens_in),
                _tokens(job.tokens_out),
                _deadline(job),
                job.on_failure,
                job.cache,
                _tokens(job.max_tokens),
            )
            for job in titan_toml.jobs.values()
        ),
    )
    echo()
    print_table(("NEVER BATCHED", "REASON"), titan_toml.never_batch.reasons().items())


def _deadline(job: Job) -> str:
    if job.deadline_at is not None:
        return str(job.deadline_at)
    return cells.NOTHING if job.deadline_h is None else f"{job.deadline_h}h"


def _tokens(number: int | None) -> str:
    return cells.NOTHING if number is None else cells.count(number)


def _paused(folder: Folder) -> list[Pause]:
    with reader_if_any(folder) as reader:
        return pauses.paused(reader) if reader else []


def _history(folder: Folder) -> dict[str, JobStatusReport]:
    """What each job did and when it is due, once there is a ledger."""
    with reader_if_any(folder) as reader:
        if reader is None:
            return {}
        board = job_status.read(reader, folder, ledger_now(reader))
    return {line.name: job_status.report(line) for line in board.lines}


def _report(
    titan_toml: TitanToml, paused: list[Pause], done: dict[str, JobStatusReport]
) -> dict[str, Any]:
    return {
        "jobs": [
            to_builtins(job_records.settings(job))
            | (to_builtins(done[name]) if name in done else {})
            for name, job in titan_toml.jobs.items()
        ],
        "paused": [json_reports.pause(row) for row in paused],
        "never_batch": titan_toml.never_batch.reasons(),
    }
