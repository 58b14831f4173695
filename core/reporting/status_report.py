"""`status --json`: open batches, queued requests, totals, the poller, holds and alerts."""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict, replace

from core.batches.poll_time_limit import left_by
from core.batches.unresolved import stuck_reason
from core.money import eta
from core.money.eta import EtaReport
from core.money.pricing import usd
from core.reporting.history import etas
from core.reporting.json_reports import (
    BatchReport,
    HookRunReport,
    PauseReport,
    batch,
    hook_run,
    pause,
)
from core.reporting.poller_health import SILENT_AFTER, PollerState, assess
from core.reporting.queued_reason import QueuedReasons
from state.batches import orphans, stuck_batches
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.model.records import (
    Hold,
)
from state.model.timestamps import from_text, to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.alerts import Alert
from state.queries import batch_list, ledger_status, queued_requests


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
    canceled: int
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


class OrphanCounts(Struct, frozen=True, kw_only=True):
    """Orphans by verdict. `suspect` is the old name of `candidate`, kept for one release."""

    candidate: int
    suspect: int
    unknown: int


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
            canceled=totals.canceled_requests,
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
    candidates = orphans.count(source, OrphanVerdict.CANDIDATE)
    unknown = orphans.count(source, OrphanVerdict.UNKNOWN)
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
