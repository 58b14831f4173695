"""Runs a job's `on_delivery` command when its file has been delivered.

At least once for each delivery: a try is on record before it is made, so that one whose poll died
is made again, and the event log says so (`settled.cut_short`).
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from core.batches.context import Context
from core.config.catalogue import Catalogue
from core.config.job import Job
from core.config.settings import command_environment
from core.config.titan_file import read
from core.delivery import run_command
from state.model.timestamps import to_text
from state.operations import delivery, hook_runs
from state.operations.hook_runs import HookRun, RunState

MOST_TRIES = 5
FILE = "{file}"
_FIRST_WAIT = timedelta(minutes=10)
# What a poll needs, beyond the command's own time, to write down how it ended.
_MARGIN = timedelta(minutes=2)


def next_try(now: datetime, tries: int) -> datetime:
    """When to try again: 10, 20, 40, then 80 minutes later."""
    return now + _FIRST_WAIT * 2 ** (tries - 1)


def run_due(context: Context) -> Iterator[str | None]:
    """Run what is due, one after another; of each, in words, what went wrong."""
    catalogue: Catalogue | None = None
    for run in hook_runs.failed(context.ledger):
        catalogue = catalogue or read(context.folder)
        job = _job(context, catalogue, run)
        if job and job.on_delivery and _text(job) != run.command:
            hook_runs.retry(context.ledger, run)
    for run in hook_runs.due(context.ledger, to_text(context.clock.now())):
        catalogue = catalogue or read(context.folder)
        job = _job(context, catalogue, run)
        if job and job.on_delivery:
            yield _run(context, run, job)
        elif catalogue.problems:
            yield f"{run.file}: what follows it waits for titan.toml: {catalogue.problems[0]}"
        else:
            hook_runs.skip(context.ledger, run)


def _job(context: Context, catalogue: Catalogue, run: HookRun) -> Job | None:
    """The job that the file is of."""
    submissions = delivery.finished(context.ledger, run.workflow, run.work_date)
    names = [name for s in submissions for name in (s.job, s.workflow, s.tag)]
    return catalogue.job_named(names)


def _text(job: Job) -> str:
    return json.dumps(job.on_delivery)


def _run(context: Context, run: HookRun, job: Job) -> str | None:
    """One try."""
    now = context.clock.now()
    if run.tries >= MOST_TRIES:
        # Its last try was cut short.
        return _failed(context, run, None, "the poll that ran it died")
    until = now + timedelta(seconds=job.on_delivery_timeout_s) + _MARGIN
    begun = hook_runs.start(context.ledger, run, _text(job), until_ts=to_text(until))
    if begun is None:
        return None
    file = str((context.folder.staging / run.file).absolute())
    ended = run_command.run(
        [word.replace(FILE, file) for word in job.on_delivery],
        folder=context.folder.root,
        environment=command_environment(context.folder.root),
        timeout_s=job.on_delivery_timeout_s,
    )
    context.ledger.crash_point("hook:ran")
    if ended.trouble:
        return _failed(context, begun, ended.exit_code, ended.trouble)
    hook_runs.end(
        context.ledger,
        begun,
        RunState.DONE,
        not_before_ts=begun.not_before_ts,
        exit_code=ended.exit_code,
    )
    return None


def _failed(context: Context, run: HookRun, exit_code: int | None, trouble: str) -> str:
    """Record it; in words, what is to come."""
    is_over = run.tries >= MOST_TRIES
    again = to_text(next_try(context.clock.now(), run.tries))
    hook_runs.end(
        context.ledger,
        run,
        RunState.FAILED if is_over else RunState.DUE,
        not_before_ts=again,
        exit_code=exit_code,
        problem=trouble,
    )
    coming = "given up; see `titan-console doctor`" if is_over else f"again after {again}"
    return f"{run.file}: on_delivery failed, {run.tries} of {MOST_TRIES} ({trouble}); {coming}."
