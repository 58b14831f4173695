"""A job as `jobs --json` prints it, and its runs as the console exports them."""

from typing import Any

from msgspec import Struct, to_builtins

from core.config.job import Job, Latency, Replay, Schedule
from core.money.pricing import usd
from core.reporting import job_status
from core.reporting.job_status import JobStatus
from core.requests.cache_control import CachePolicy
from core.requests.retirements import retires_on
from state.model.records import OnFailure, OnMaxTokens
from state.queries.job_runs import RunRecord


class JobSettings(Struct, frozen=True, kw_only=True):
    """A job of titan.toml as JSON. `on_settled` is the old name of `on_delivery`."""

    job: str
    workload: str
    schedule: Schedule
    runs_a_month: float
    latency: Latency
    model: str
    model_retires: str | None
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
    reask: int
    continue_turns: int
    on_max_tokens: OnMaxTokens
    unbounded_request_usd: float | None
    lane: str
    note: str


def settings(job: Job) -> JobSettings:
    """What titan.toml says of a job."""
    return JobSettings(
        job=job.name,
        workload=job.workload,
        schedule=job.schedule,
        runs_a_month=float(round(job.schedule.runs_a_month, 3)),
        latency=job.latency,
        model=job.model,
        model_retires=str(last) if (last := retires_on(job.model)) else None,
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
        reask=job.reask,
        continue_turns=job.continue_turns,
        on_max_tokens=job.on_max_tokens,
        unbounded_request_usd=usd(job.unbounded_nano),
        lane=job.lane,
        note=job.note,
    )


def record(line: JobStatus) -> dict[str, Any]:
    """A job with its state; of a workflow that titan.toml does not have, the state alone."""
    known = to_builtins(settings(line.job)) if line.job else {"job": line.name}
    return known | to_builtins(job_status.report(line))


class RunReport(Struct, frozen=True, kw_only=True):
    """One run of a job, with the sums of its batches."""

    submission_id: str
    tag: str
    workflow: str
    request_count: int
    failed: int
    sync_runs: int
    replayed: int
    submitted_ts: str
    deadline_ts: str | None
    accepted_ts: str | None
    ended_ts: str | None
    finished_ts: str | None
    delivered_ts: str | None
    cost_usd: float | None
    savings_usd: float | None
    unpriced: int


def run(found: RunRecord) -> RunReport:
    """One run of a job; its money is that of its priced answers."""
    one, saved = found.run, found.sync_cost_nano - found.cost_nano
    return RunReport(
        submission_id=one.key,
        tag=one.tag,
        workflow=one.workflow,
        request_count=one.request_count,
        failed=one.failed,
        sync_runs=found.sync_runs,
        replayed=found.replayed,
        submitted_ts=one.created_ts,
        deadline_ts=one.deadline_ts,
        accepted_ts=found.began_ts,
        ended_ts=found.ended_ts,
        finished_ts=one.finished_ts,
        delivered_ts=one.delivered_ts,
        cost_usd=usd(found.cost_nano),
        savings_usd=usd(saved),
        unpriced=found.unpriced,
    )
