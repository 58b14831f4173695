"""The records that commands and titan_batch print as JSON. docs/json.md documents every key."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict, replace

from core.batches.poll_time_limit import left_by
from core.batches.unresolved import stuck_reason
from core.money import eta
from core.money.eta import EtaReport
from core.money.pricing import usd
from core.reporting.error_groups import ErrorGroup, NextStep
from core.reporting.history import etas
from core.reporting.poller_health import SILENT_AFTER, PollerState, assess
from core.reporting.queued_reason import QueuedReasons
from state.batches import orphans, stuck_batches
from state.batches.orphans import Orphan, OrphanVerdict
from state.db.reader import Source
from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Counts,
    Hold,
    Outcome,
    RequestStatus,
)
from state.model.timestamps import from_text, to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.alerts import Alert
from state.operations.hook_runs import HookRun, RunState
from state.operations.pauses import Pause
from state.operations.reviews import ReviewRow
from state.queries import batch_list, ledger_status, queued_requests
from state.queries.error_list import ErrorRow


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


class OpenBatchReport(BatchReport, frozen=True, kw_only=True):
    """An open batch, with its ETA and why it is still queued."""

    eta: EtaReport
    queued_because: str | None


class QueuedReport(Struct, frozen=True, kw_only=True):
    """Queued requests of one submission that are in no batch, and why.

    `submission` and `requests` are the old names of `submission_id` and `request_count`.
    """

    submission_id: str
    submission: str
    tag: str
    workflow: str
    request_count: int
    requests: int
    submitted_ts: str
    command: str | None
    queued_because: str


class TotalsReport(Struct, frozen=True, kw_only=True):
    """Sums over the whole ledger. `waiting` is the old name of `queued`, kept for one release."""

    batches: int
    requests: int
    queued: int
    waiting: int
    in_flight: int
    succeeded: int
    failed: int
    reviews: int
    cost_usd: float | None
    sync_cost_usd: float | None
    fee_usd: float | None
    duplicate_spend_usd: float | None
    unpriced: int


class PollerReport(Struct, frozen=True, kw_only=True):
    """The poller. `last_pass` is the old name of `last_poll`, kept for one release."""

    state: PollerState
    last_poll: str | None
    last_success: str | None
    error: str | None
    last_pass: str | None
    lease: str | None
    restored_ts: str | None
    left: list[str]


class HookRunReport(Struct, frozen=True, kw_only=True):
    """A failed delivery hook."""

    file: str
    workflow: str
    state: RunState
    tries: int
    exit_code: int | None
    error: str | None
    next_try_ts: str | None


class OrphanCounts(Struct, frozen=True, kw_only=True):
    """Orphans by verdict. `suspect` is the old name of `candidate`, kept for one release."""

    candidate: int
    suspect: int
    unknown: int


class PauseReport(Struct, frozen=True, kw_only=True):
    """A paused workflow. `who` is the old name of `actor`, kept for one release."""

    workflow: str
    since_ts: str
    actor: str
    who: str
    reason: str


class StatusReport(Struct, frozen=True, kw_only=True):
    """The whole ledger. `on_settled` is the old name of `on_delivery`, kept for one release.

    `fallback_files` are submissions that are not in it yet.
    """

    open: list[OpenBatchReport]
    queued: list[QueuedReport]
    totals: TotalsReport
    errors: int
    reviews: int
    savings_usd: float | None
    poller: PollerReport
    holds: list[Hold]
    paused: list[PauseReport]
    on_delivery: list[HookRunReport]
    on_settled: list[HookRunReport]
    alerts: list[Alert]
    orphans: OrphanCounts
    fallback_files: int


class OrphanReport(Struct, frozen=True, kw_only=True):
    """A batch at the API that the ledger has no record of."""

    remote_id: str
    whose: OrphanVerdict
    request_count: int
    created_ts: str
    seen_ts: str


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


class _NamedRequest(Struct, frozen=True, kw_only=True):
    custom_id: str
    tag: str
    workflow: str
    batch_id: str
    remote_id: str | None
    outcome: Outcome
    model: str
    ended_ts: str | None


class ErrorReport(_NamedRequest, frozen=True, kw_only=True):
    """A failed request."""

    error_type: str | None
    error_message: str | None
    attempts: int
    review: None = None


class ReviewReport(_NamedRequest, frozen=True, kw_only=True):
    """An answer flagged for review. `review` is its stop reason."""

    review: str


class ErrorGroupReport(Struct, frozen=True, kw_only=True):
    """Requests that failed in the same way."""

    workflow: str
    review: str | None
    outcome: Outcome
    error_type: str | None
    fingerprint: str
    count: int
    next: NextStep
    tags: list[str]
    first_ts: str | None
    last_ts: str | None
    sample: str | None


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
    )


def status(
    source: Source,
    *,
    now_ts: str,
    silent_after: timedelta = SILENT_AFTER,
    fallback_files: int = 0,
) -> StatusReport:
    """The whole ledger. `silent_after` is the longest time without a successful poll."""
    totals = ledger_status.totals(source)
    hooks = [hook_run(run) for run in hook_runs.failing(source)]
    return StatusReport(
        open=_open(source, from_text(now_ts)),
        queued=_queued(source, now_ts),
        totals=TotalsReport(
            batches=totals.batches,
            requests=totals.requests,
            queued=totals.queued_requests,
            waiting=totals.queued_requests,
            in_flight=totals.in_flight_requests,
            succeeded=totals.succeeded,
            failed=totals.failed_requests,
            reviews=totals.reviews,
            cost_usd=usd(totals.cost_nano),
            sync_cost_usd=usd(totals.sync_cost_nano),
            fee_usd=usd(totals.fee_nano),
            duplicate_spend_usd=usd(totals.duplicate_nano),
            unpriced=totals.unpriced,
        ),
        errors=totals.failed_requests,
        reviews=totals.reviews,
        savings_usd=usd(totals.savings_nano),
        poller=_poller(source, now_ts, silent_after),
        holds=ledger_status.holds(source, now_ts=now_ts),
        paused=[pause(row) for row in pauses.paused(source)],
        on_delivery=hooks,
        on_settled=hooks,
        alerts=alerts.raised(source),
        orphans=_orphans(source),
        fallback_files=fallback_files,
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


def error(row: ErrorRow) -> ErrorReport:
    """One failed request."""
    return ErrorReport(
        custom_id=row.custom_id,
        tag=row.tag,
        workflow=row.workflow,
        batch_id=row.batch_key,
        remote_id=row.remote_id,
        outcome=row.outcome,
        error_type=row.error_type,
        error_message=row.error_message,
        model=row.model,
        attempts=row.attempts,
        ended_ts=row.ended_ts,
    )


def review(row: ReviewRow) -> ReviewReport:
    """One answer flagged for review."""
    return ReviewReport(
        custom_id=row.custom_id,
        tag=row.tag,
        workflow=row.workflow,
        batch_id=row.batch_key,
        remote_id=row.remote_id,
        outcome=Outcome.SUCCEEDED,
        review=row.stop_reason,
        model=row.model,
        ended_ts=row.ended_ts,
    )


def error_group(row: ErrorGroup) -> ErrorGroupReport:
    """One group of failed requests."""
    return ErrorGroupReport(
        workflow=row.key.workflow,
        review=row.key.kind if row.key.is_review else None,
        outcome=row.outcome,
        error_type=None if row.key.is_review else row.key.kind,
        fingerprint=row.key.fingerprint,
        count=row.count,
        next=row.next_step,
        tags=list(row.tags),
        first_ts=row.first_ts or None,
        last_ts=row.last_ts or None,
        sample=row.sample or None,
    )


def _poller(source: Source, now_ts: str, silent_after: timedelta) -> PollerReport:
    poller = ledger_status.poller(source)
    is_held = poller.lease_expires_ts is not None and poller.lease_expires_ts > now_ts
    health, left = assess(poller, from_text(now_ts), silent_after), left_by(poller.last_summary)
    return PollerReport(
        state=health.state,
        last_success=poller.last_success_ts,
        error=health.error,
        last_poll=poller.last_finished_ts,
        last_pass=poller.last_finished_ts,
        lease=poller.lease_holder if is_held else None,
        restored_ts=health.restored_ts,
        left=left.lines() if left else [],
    )


def _orphans(source: Source) -> OrphanCounts:
    candidates = len(orphans.with_verdict(source, OrphanVerdict.CANDIDATE))
    unknown = len(orphans.with_verdict(source, OrphanVerdict.UNKNOWN))
    return OrphanCounts(candidate=candidates, suspect=candidates, unknown=unknown)


def _open(source: Source, now: datetime) -> list[OpenBatchReport]:
    batches = batch_list.open_batches(source)
    found = etas(source, batches, now)
    reasons = QueuedReasons(source, to_text(now))
    stuck = {row.key: stuck_reason.outlook(row, now) for row in stuck_batches.awaited(source)}
    return [
        OpenBatchReport(
            **asdict(replace(batch(row), error=stuck.get(row.key) or row.last_error)),
            eta=eta.report(found[row.key]),
            queued_because=reasons.of_batch(row),
        )
        for row in batches
    ]


def _queued(source: Source, now_ts: str) -> list[QueuedReport]:
    reasons = QueuedReasons(source, now_ts)
    return [
        QueuedReport(
            submission_id=queued.submission,
            submission=queued.submission,
            tag=queued.tag,
            workflow=queued.workflow,
            request_count=queued.count,
            requests=queued.count,
            submitted_ts=queued.submitted_ts,
            command=queued.command,
            queued_because=reasons.of_requests(queued),
        )
        for queued in queued_requests.without_batch(source)
    ]
