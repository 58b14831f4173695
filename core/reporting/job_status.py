"""Each job of titan.toml with its latest runs: for the Jobs screen and `jobs --json`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from core.config import titan_file
from core.config.job import Job, Window, next_window
from core.config.titan_tables import TitanToml
from core.config.toml_reader import Problem
from core.requests import model_limits, retirements
from state.db.reader import Source
from state.files.folder import Folder
from state.model.timestamps import from_text, to_text
from state.operations import pauses
from state.operations.hook_runs import RunState
from state.operations.pauses import Pause
from state.queries import job_runs
from state.queries.job_runs import JobRun, LastCommand


class Mode(StrEnum):
    """How a job runs."""

    BATCH = "batch"
    SYNC = "sync"


class JobStatus(Struct, frozen=True, kw_only=True):
    """A job of titan.toml, or a workflow that the ledger knows and titan.toml does not.

    `runs` are newest first. At `sync_run_at`, the deadline guard runs the requests of the open run
    that have no answer synchronously, or those of the next run if none is open; None without a
    deadline.
    """

    name: str
    job: Job | None
    workload: str
    mode: Mode
    runs: Sequence[JobRun]
    window: Window | None
    sync_run_at: datetime | None
    pause: Pause | None
    command: LastCommand | None

    @property
    def workflows(self) -> Sequence[str]:
        """The workflows of its runs, and its own name."""
        return tuple(dict.fromkeys((self.name, *(run.workflow for run in self.runs))))

    @property
    def failed(self) -> int:
        """Failed requests of these runs that are not acknowledged."""
        return sum(run.failed for run in self.runs)

    @property
    def canceled(self) -> int:
        """How many of these were canceled."""
        return sum(run.canceled for run in self.runs)

    @property
    def errored(self) -> int:
        """How many of these were not canceled."""
        return self.failed - self.canceled


class JobOverview(Struct, frozen=True, kw_only=True):
    """Every job, the never-batch list with reasons, and the problems in titan.toml."""

    has_file: bool
    lines: Sequence[JobStatus]
    never: Mapping[str, str]
    problems: Sequence[Problem]


def read(source: Source, folder: Folder, now: datetime) -> JobOverview:
    """The jobs in the order of titan.toml, then the other workflows."""
    titan_toml = titan_file.read(folder)
    runs = dict[str, list[JobRun]]()
    for run in job_runs.latest_runs(source):
        job = titan_toml.job_named((run.job, run.workflow))
        runs.setdefault(job.name if job else run.workflow, []).append(run)
    paused = {pause.workflow: pause for pause in pauses.paused(source)}
    commands = {found.workflow: found for found in job_runs.last_commands(source)}
    names = [*titan_toml.jobs, *sorted(set(runs) - set(titan_toml.jobs))]
    return JobOverview(
        has_file=titan_file.path_of(folder).exists(),
        lines=[
            _line(titan_toml, name, runs.get(name, []), paused, commands, now) for name in names
        ],
        never=titan_toml.never_batch.reasons(),
        problems=titan_toml.problems,
    )


def _line(
    titan_toml: TitanToml,
    name: str,
    runs: Sequence[JobRun],
    paused: Mapping[str, Pause],
    commands: Mapping[str, LastCommand],
    now: datetime,
) -> JobStatus:
    job = titan_toml.jobs.get(name)
    workload = titan_toml.workloads.get(job.workload) if job else None
    is_sync = workload is not None and not workload.is_batched
    window = _window(job, runs, now)
    workflows = (name, *(run.workflow for run in runs))
    return JobStatus(
        name=name,
        job=job,
        workload=job.workload if job else "",
        mode=Mode.SYNC if is_sync else Mode.BATCH,
        runs=runs[: job_runs.LATEST],
        window=window,
        sync_run_at=_sync_run_at(runs) or (window.sync_run_at if window else None),
        pause=next((paused[one] for one in workflows if one in paused), None),
        command=next((commands[one] for one in workflows if one in commands), None),
    )


def _window(job: Job | None, runs: Sequence[JobRun], now: datetime) -> Window | None:
    if job is None or not runs:
        return None
    last = runs[0]
    return next_window(
        job,
        submitted=from_text(last.created_ts),
        deadline=from_text(last.deadline_ts) if last.deadline_ts else None,
        now=now,
    )


def _sync_run_at(runs: Sequence[JobRun]) -> datetime | None:
    dues = [run.deadline_ts for run in runs if run.deadline_ts and not run.finished_ts]
    return Window(due=from_text(min(dues))).sync_run_at if dues else None


class JobStatusReport(Struct, frozen=True, kw_only=True):
    """What `jobs --json` adds to a job.

    `fallback_ts` and `on_settled_state` are the old names of `sync_run_ts` and `on_delivery_state`.
    """

    mode: Mode
    next_due_ts: str | None
    submit_from_ts: str | None
    sync_run_ts: str | None
    fallback_ts: str | None
    paused: bool
    last_submitted_ts: str | None
    last_delivered_ts: str | None
    last_failed: int | None
    on_delivery_state: RunState | None
    on_settled_state: RunState | None


def report(line: JobStatus) -> JobStatusReport:
    """The status of a job as JSON."""
    last = line.runs[0] if line.runs else None
    hook = line.command.state if line.command else None
    sync_run_ts = to_text(line.sync_run_at) if line.sync_run_at else None
    return JobStatusReport(
        mode=line.mode,
        next_due_ts=to_text(line.window.due) if line.window else None,
        submit_from_ts=to_text(line.window.submit_from) if line.window else None,
        sync_run_ts=sync_run_ts,
        fallback_ts=sync_run_ts,
        paused=line.pause is not None,
        last_submitted_ts=last.created_ts if last else None,
        last_delivered_ts=last.delivered_ts if last else None,
        last_failed=last.failed if last else None,
        on_delivery_state=hook,
        on_settled_state=hook,
    )


def model_warnings(
    titan_toml: TitanToml, now: datetime, *, names: Collection[str] | None = None
) -> Iterator[str]:
    """A line for each job whose model is unknown, or retires before its next results or soon.

    Of all jobs, or of those with these `names`.
    """
    for job in titan_toml.jobs.values():
        if names is not None and job.name not in names:
            continue
        deadline = job.deadline_after(now)
        for warning in (
            *model_limits.warnings_for([job.model], titan_toml.prices_of(job.lane)),
            *retirements.warnings_for([job.model], now=now, deadline=deadline),
        ):
            yield f"Job {job.name}: {warning}"
