"""The records of several commands and titan_batch as JSON. docs/json.md documents every key."""

from collections.abc import Mapping

from msgspec import Struct

from core.money.pricing import usd
from state.batches.orphans import Orphan, OrphanVerdict
from state.db.reader import Source
from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Counts,
    RequestStatus,
)
from state.operations.hook_runs import HookRun, RunState
from state.operations.pauses import Pause
from state.queries import batch_list, ledger_status


class BatchReport(Struct, frozen=True, kw_only=True):
    """One batch."""

    batch_id: str
    remote_id: str | None
    tag: str
    workflow: str
    kind: BatchKind
    status: BatchStatus
    collection: CollectionStatus
    request_count: int
    counts: Counts
    submitted_ts: str
    completed_ts: str | None
    expires_ts: str | None
    deadline_ts: str | None
    cost_usd: float | None
    savings_usd: float | None
    error: str | None
    lane: str


class HookRunReport(Struct, frozen=True, kw_only=True):
    """A failed delivery hook."""

    file: str
    workflow: str
    state: RunState
    tries: int
    exit_code: int | None
    error: str | None
    next_try_ts: str | None


class PauseReport(Struct, frozen=True, kw_only=True):
    """A paused workflow. `who` is the old name of `actor`, kept for one release."""

    workflow: str
    since_ts: str
    actor: str
    who: str
    reason: str


class OrphanReport(Struct, frozen=True, kw_only=True):
    """A batch at the API that the ledger has no record of."""

    remote_id: str
    whose: OrphanVerdict
    request_count: int
    created_ts: str
    seen_ts: str
    lane: str


class TagReport(Struct, frozen=True, kw_only=True):
    """Everything under a tag. `by_status` has every request status."""

    tag: str
    submissions: list[str]
    requests: int
    by_status: Mapping[str, int]
    finished: bool
    settled: bool
    batches: list[BatchReport]
    cost_usd: float | None
    savings_usd: float | None


def batch(row: Batch) -> BatchReport:
    """One batch. Its money is None until its cost is known."""
    known = row.cost_nano is not None and row.sync_cost_nano is not None and not row.unpriced
    return BatchReport(
        batch_id=row.key,
        remote_id=row.remote_id,
        tag=row.tag,
        workflow=row.workflow,
        kind=row.kind,
        status=row.status,
        collection=row.collection,
        request_count=row.request_count,
        counts=row.counts,
        submitted_ts=row.created_ts,
        completed_ts=row.ended_ts,
        expires_ts=row.expires_ts,
        deadline_ts=row.deadline_ts,
        cost_usd=usd(row.cost_nano) if known else None,
        savings_usd=usd((row.sync_cost_nano or 0) - (row.cost_nano or 0)) if known else None,
        error=row.last_error,
        lane=row.lane,
    )


def pause(row: Pause) -> PauseReport:
    """One paused workflow."""
    return PauseReport(
        workflow=row.workflow,
        since_ts=row.since_ts,
        actor=row.who,
        who=row.who,
        reason=row.reason,
    )


def hook_run(run: HookRun) -> HookRunReport:
    """A failed delivery hook."""
    return HookRunReport(
        file=run.file,
        workflow=run.workflow,
        state=run.state,
        tries=run.tries,
        exit_code=run.exit_code,
        error=run.problem,
        next_try_ts=run.not_before_ts if run.state == RunState.DUE else None,
    )


def orphan(row: Orphan) -> OrphanReport:
    """One orphan."""
    return OrphanReport(
        remote_id=row.remote_id,
        whose=row.verdict,
        request_count=row.request_count,
        created_ts=row.remote_created_ts,
        seen_ts=row.seen_ts,
        lane=row.lane,
    )


def tag_summary(source: Source, tag: str) -> TagReport:
    """Everything under a tag; an unknown tag has no submissions."""
    submissions = batch_list.submissions_of(source, tag)
    counts = dict.fromkeys(RequestStatus, 0)
    for submission in submissions:
        for name, number in ledger_status.statuses_of(source, submission).items():
            counts[name] += number
    batches = [
        row for submission in submissions for row in batch_list.batches_of(source, submission)
    ]
    cost = sum(row.cost_nano or 0 for row in batches)
    is_open = counts[RequestStatus.QUEUED] + counts[RequestStatus.IN_FLIGHT]
    finished = bool(submissions) and not is_open
    settled = counts[RequestStatus.SUCCEEDED] + counts[RequestStatus.ACKNOWLEDGED]
    return TagReport(
        tag=tag,
        submissions=[submission.key for submission in submissions],
        requests=sum(submission.request_count for submission in submissions),
        by_status={name.value: number for name, number in counts.items()},
        finished=finished,
        settled=finished and sum(counts.values()) == settled,
        batches=[batch(row) for row in batches],
        cost_usd=usd(cost),
        savings_usd=usd(sum(row.sync_cost_nano or 0 for row in batches) - cost),
    )
