"""Delivery hooks: runs a job's `on_delivery` command after its file has been delivered.

Each try is recorded before it starts. It runs in a process of its own (`hook_runner_main`), which
holds a lock and records a success beside the ledger, so that the next poll of one that was killed
neither runs the hook at the same time nor repeats it if it succeeded. The same content delivered
again, as after a restore, does not run the same command again either.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.config.job import Job
from core.config.settings import command_environment
from core.config.titan_file import read
from core.config.titan_tables import TitanToml
from core.delivery import hook_runner
from core.delivery.hook_runner import HookOrder, HookRunner
from state.files import hook_log
from state.files.hook_log import HookSuccess
from state.model.timestamps import from_text, to_text
from state.operations import delivery, hook_runs
from state.operations.hook_runs import HookRun, RunState

MOST_TRIES = 5
FILE = "{file}"
_FIRST_WAIT = timedelta(minutes=10)
# Time to record the end of the command, beyond its own timeout.
_MARGIN = timedelta(minutes=2)


def next_try(now: datetime, tries: int) -> datetime:
    """When to retry: 10, 20, 40, then 80 minutes later."""
    return now + _FIRST_WAIT * 2 ** (tries - 1)


def run_due(context: Context) -> Iterator[list[str]]:
    """Run the hooks that are due in turn; for each its problems as text.

    A hook that failed in all its tries is due again once titan.toml has another command for it.
    """
    titan_toml = read(context.folder)
    for run in hook_runs.failed(context.ledger):
        problems: list[str] = []
        with isolated(context, f"{run.file}: on_delivery", problems):
            job = _job(context, titan_toml, run)
            if job and job.on_delivery and _command_text(job) != run.command:
                hook_runs.retry(context.ledger, run)
        yield problems
    due = hook_runs.due(context.ledger, to_text(context.clock.now()))
    for run in context.time.items("run hooks", due, lambda run: run.file):
        problems = []
        with isolated(context, f"{run.file}: on_delivery", problems):
            problems += _run_or_skip(context, run, titan_toml)
        yield problems


def _run_or_skip(context: Context, run: HookRun, titan_toml: TitanToml) -> list[str]:
    job = _job(context, titan_toml, run)
    if job and job.on_delivery:
        problem = _run(context, run, job)
        return [problem] if problem else []
    if titan_toml.problems:
        return [f"{run.file}: on_delivery waits for a valid titan.toml: {titan_toml.problems[0]}"]
    hook_runs.skip(context.ledger, run)
    return []


def _job(context: Context, titan_toml: TitanToml, run: HookRun) -> Job | None:
    """The job that the file belongs to."""
    submissions = delivery.finished(context.ledger, run.workflow, run.work_date)
    names = [name for s in submissions for name in (s.job, s.workflow, s.tag)]
    return titan_toml.job_named(names)


def _command_text(job: Job) -> str:
    return json.dumps(job.on_delivery)


def _run(context: Context, run: HookRun, job: Job) -> str | None:
    """Make one try, unless a hook of the workflow still runs, as after a poll that was killed."""
    path = context.folder.staging / run.file
    success = HookSuccess(
        file=run.file, sha256=hook_log.digest(path) or "", command=_command_text(job)
    )
    order = HookOrder(
        root=str(context.folder.root.absolute()),
        lock=str(context.folder.hook_lock(run.workflow).absolute()),
        words=[word.replace(FILE, str(path.absolute())) for word in job.on_delivery],
        timeout_s=job.on_delivery_timeout_s,
        success=success,
    )
    with hook_runner.opened(order, command_environment(context.folder.root)) as runner:
        if _may_still_run(context, run, runner.is_free):
            return _still_runs(context, run)
        if success.sha256 and hook_log.last(context.folder, run.file) == success:
            # The ledger was restored or rebuilt, or the poll died before it recorded the success.
            hook_runs.skip_known(context.ledger, run)
            return None
        if run.tries >= MOST_TRIES:
            # The poll of its last try died.
            return _failed(context, run, None, "the poll that ran it was killed")
        return _try(context, run, order, runner)


def _may_still_run(context: Context, run: HookRun, is_free: bool | None) -> bool:
    """Whether the lock is held; where nothing is known of it, until the limit of the try."""
    if is_free is not None:
        return not is_free
    return run.state == RunState.RUNNING and context.clock.now() < from_text(run.not_before_ts)


def _still_runs(context: Context, run: HookRun) -> str | None:
    """A problem only once its timeout should have ended it."""
    if run.state != RunState.RUNNING or context.clock.now() < from_text(run.not_before_ts):
        return None
    return f"{run.file}: on_delivery runs longer than its limit; no other is started until it ends."


def _try(context: Context, run: HookRun, order: HookOrder, runner: HookRunner) -> str | None:
    until = context.clock.now() + timedelta(seconds=order.timeout_s) + _MARGIN
    started = hook_runs.start(context.ledger, run, order.success.command, until_ts=to_text(until))
    if started is None:
        return None
    ended = runner.run()
    context.ledger.crash_point("hook:ran")
    if ended.problem:
        return _failed(context, started, ended.exit_code, ended.problem)
    hook_runs.end(
        context.ledger,
        started,
        RunState.DONE,
        not_before_ts=started.not_before_ts,
        exit_code=ended.exit_code,
    )
    return ended.log_problem


def _failed(context: Context, run: HookRun, exit_code: int | None, problem: str) -> str:
    """Record a failed try; the problem as text, with when it is retried."""
    is_over = run.tries >= MOST_TRIES
    again = to_text(next_try(context.clock.now(), run.tries))
    hook_runs.end(
        context.ledger,
        run,
        RunState.FAILED if is_over else RunState.DUE,
        not_before_ts=again,
        exit_code=exit_code,
        problem=problem,
    )
    then = "see `titan-console doctor`" if is_over else f"it runs again after {again}"
    return f"{run.file}: on_delivery failed, run {run.tries} of {MOST_TRIES} ({problem}); {then}."
