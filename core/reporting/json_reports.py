"""What the commands and the helper print as JSON. The keys are a contract: design.md, section 9."""

from datetime import datetime
from typing import Any

from core.money import eta
from core.money.pricing import usd
from core.reporting.error_groups import ErrorGroup
from core.reporting.history import etas
from state.batches import orphans
from state.batches.orphans import Orphan, OrphanVerdict
from state.db.reader import Source
from state.model.records import Batch, Outcome, RequestStatus
from state.model.timestamps import from_text
from state.operations import alerts, hook_runs, pauses
from state.operations.hook_runs import HookRun, RunState
from state.operations.pauses import Pause
from state.operations.reviews import ReviewRow
from state.queries import batch_list, ledger_status
from state.queries.error_list import ErrorRow

Report = dict[str, Any]


def batch(row: Batch) -> Report:
    """One batch."""
    known = row.cost_nano is not None and row.sync_cost_nano is not None and not row.unpriced
    return {
        "batch_id": row.key,
        "remote_id": row.remote_id,
        "tag": row.tag,
        "workflow": row.workflow,
        "kind": row.kind.value,
        "status": row.status.value,
        "collection": row.collection.value,
        "request_count": row.request_count,
        "counts": {
            "processing": row.counts.processing,
            "succeeded": row.counts.succeeded,
            "errored": row.counts.errored,
            "canceled": row.counts.canceled,
            "expired": row.counts.expired,
        },
        "submitted_ts": row.created_ts,
        "completed_ts": row.ended_ts,
        "expires_ts": row.expires_ts,
        "deadline_ts": row.deadline_ts,
        "cost_usd": usd(row.cost_nano) if known else None,
        "savings_usd": usd((row.sync_cost_nano or 0) - (row.cost_nano or 0)) if known else None,
        "error": row.last_error,
    }


def status(source: Source, *, now_ts: str) -> Report:
    """The whole ledger in one object."""
    totals = ledger_status.totals(source)
    poller = ledger_status.poller(source)
    lease_is_held = poller.lease_expires_ts is not None and poller.lease_expires_ts > now_ts
    hook_failures = [settled_run(run) for run in hook_runs.troubled(source)]
    return {
        "open": _open(source, from_text(now_ts)),
        "totals": {
            "batches": totals.batches,
            "requests": totals.requests,
            "queued": totals.waiting_requests,
            "succeeded": totals.succeeded,
            "failed": totals.failed_requests,
            "reviews": totals.reviews,
            "cost_usd": usd(totals.cost_nano),
            "sync_cost_usd": usd(totals.sync_cost_nano),
            "duplicate_spend_usd": usd(totals.duplicate_nano),
            "unpriced": totals.unpriced,
        },
        "errors": totals.failed_requests,
        "reviews": totals.reviews,
        "savings_usd": usd(totals.savings_nano),
        "poller": {
            "last_poll": poller.last_finished_ts,
            "last_pass": poller.last_finished_ts,  # the old key, for one release
            "lease": poller.lease_holder if lease_is_held else None,
        },
        "holds": [
            {"name": h.name, "until_ts": h.until_ts, "reason": h.reason}
            for h in ledger_status.holds(source, now_ts=now_ts)
        ],
        "paused": [paused(pause) for pause in pauses.paused(source)],
        "on_delivery": hook_failures,
        # The old name, kept for one release.
        "on_settled": hook_failures,
        "alerts": [
            {"rule": a.rule, "subject": a.subject, "message": a.message, "raised_ts": a.raised_ts}
            for a in alerts.raised(source)
        ],
        "orphans": {
            verdict.value: len(orphans.with_verdict(source, verdict))
            for verdict in (OrphanVerdict.CANDIDATE, OrphanVerdict.UNKNOWN)
        },
    }


def _open(source: Source, now: datetime) -> list[Report]:
    batches = batch_list.open_batches(source)
    found = etas(source, batches, now)
    return [{**batch(row), "eta": eta.as_json(found[row.key])} for row in batches]


def settled_run(run: HookRun) -> Report:
    """The command of a delivered file, where it failed."""
    return {
        "file": run.file,
        "workflow": run.workflow,
        "state": run.state.value,
        "tries": run.tries,
        "exit_code": run.exit_code,
        "error": run.problem,
        "next_try_ts": run.not_before_ts if run.state == RunState.DUE else None,
    }


def paused(pause: Pause) -> Report:
    """A workflow of which nothing is sent."""
    return {
        "workflow": pause.workflow,
        "since_ts": pause.since_ts,
        "who": pause.who,
        "reason": pause.reason,
    }


def orphan(row: Orphan) -> Report:
    """One batch at the API that the ledger does not know."""
    return {
        "remote_id": row.remote_id,
        "whose": row.verdict.value,
        "request_count": row.request_count,
        "created_ts": row.remote_created_ts,
        "seen_ts": row.seen_ts,
    }


def tag_summary(source: Source, tag: str) -> Report:
    """The life cycle of everything under a tag; a tag that nothing has is an empty one."""
    submissions = batch_list.submissions_of(source, tag)
    counts = dict.fromkeys((status.value for status in RequestStatus), 0)
    for submission in submissions:
        for name, number in ledger_status.statuses_of(source, submission).items():
            counts[name.value] += number
    batches = [
        row for submission in submissions for row in batch_list.batches_of(source, submission)
    ]
    cost = sum(row.cost_nano or 0 for row in batches)
    finished = bool(submissions) and not counts["queued"] and not counts["in_flight"]
    return {
        "tag": tag,
        "submissions": [submission.key for submission in submissions],
        "requests": sum(submission.request_count for submission in submissions),
        "by_status": counts,
        "finished": finished,
        "settled": finished and sum(counts.values()) == counts["succeeded"] + counts["dismissed"],
        "batches": [batch(row) for row in batches],
        "cost_usd": usd(cost),
        "savings_usd": usd(sum(row.sync_cost_nano or 0 for row in batches) - cost),
    }


def error(row: ErrorRow) -> Report:
    """One failed request."""
    return {
        **_named(row),
        "outcome": row.outcome.value,
        "error_type": row.error_type,
        "error_message": row.error_message,
        "attempts": row.attempts,
        "review": None,
        "ended_ts": row.ended_ts,
    }


def _named(row: ErrorRow | ReviewRow) -> Report:
    """Which request, and in which batch."""
    return {
        "custom_id": row.custom_id,
        "tag": row.tag,
        "workflow": row.workflow,
        "batch_id": row.batch_key,
        "remote_id": row.remote_id,
    }


def error_group(row: ErrorGroup) -> Report:
    """Requests that went wrong in the same way; `next` is replay, edit or look."""
    return {
        "workflow": row.key.workflow,
        "review": row.key.kind if row.key.is_review else None,
        "outcome": row.outcome.value,
        "error_type": None if row.key.is_review else row.key.kind,
        "fingerprint": row.key.fingerprint,
        "count": row.count,
        "next": row.next_step.value,
        "tags": list(row.tags),
        "first_ts": row.first_ts or None,
        "last_ts": row.last_ts or None,
        "sample": row.sample or None,
    }


def review(row: ReviewRow) -> Report:
    """An answer that somebody should look at; `review` says why."""
    return {
        **_named(row),
        "outcome": Outcome.SUCCEEDED.value,
        "review": row.stop_reason,
        "ended_ts": row.ended_ts,
    }
