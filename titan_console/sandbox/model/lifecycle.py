"""The state of a batch at a point in time, and the outcome of each of its rows."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from titan_console.sandbox.model.ids import DIGEST_SPAN
from titan_console.sandbox.model.rows import Row, Rows
from titan_console.sandbox.model.timing import Plan

EXPIRES_AFTER = timedelta(hours=24)
ARCHIVED_AFTER = timedelta(days=29)
OUTCOMES = ("succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch as the provider keeps it."""

    id: str
    number: int
    workspace: str
    rows: Rows
    created_at: datetime
    duration: float
    plan: Plan
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    # Set by Sandbox.end: every row counts as having run, unless its outcome is forced.
    manual: bool = False
    forced_outcomes: Mapping[str, str] = field(default_factory=dict[str, str])
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    foreign: bool = False
    # Only `Sandbox.end` ends it.
    endless: bool = False
    # From then on, and until then, every call for it answers 404 and no list shows it.
    vanish_at: datetime | None = None
    back_at: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """When rows that have not run expire."""
        return self.created_at + EXPIRES_AFTER

    @property
    def archive_at(self) -> datetime:
        """When the results are no longer available."""
        return self.created_at + ARCHIVED_AFTER

    @property
    def status(self) -> str:
        """The processing status, as last computed by `as_of`."""
        if self.ended_at:
            return "ended"
        return "canceling" if self.cancel_at else "in_progress"


def as_of(batch: Batch, now: datetime) -> Batch:
    """The current batch: ended, if its time has come."""
    if batch.ended_at or batch.endless:
        return batch
    due = _due(batch)
    return _end(batch, due) if now >= due else batch


def is_hidden(batch: Batch, now: datetime) -> bool:
    """Whether the batch has vanished, and is not back yet."""
    if batch.vanish_at is None or now < batch.vanish_at:
        return False
    return batch.back_at is None or now < batch.back_at


def end_now(batch: Batch, now: datetime, forced_outcomes: Mapping[str, str]) -> Batch:
    """End a batch now, with the outcomes that a test sets."""
    return _end(replace(batch, manual=True, forced_outcomes=dict(forced_outcomes)), now)


def outcome(batch: Batch, row: Row) -> str:
    """The outcome of a row at the end of its batch."""
    if row.custom_id in batch.forced_outcomes:
        return batch.forced_outcomes[row.custom_id]
    runs_after = _runs_after(batch, row)
    if batch.cancel_at:
        until = (batch.cancel_at - batch.created_at).total_seconds() + batch.plan.grace
        if runs_after > until:
            return "canceled"
    if not batch.manual and runs_after >= EXPIRES_AFTER.total_seconds():
        return "expired"
    return "errored" if row.error else "succeeded"


def describe(batch: Batch, now: datetime, results_url: str) -> dict[str, object]:
    """The batch as the API shows it."""
    archived = now >= batch.archive_at
    ended = batch.ended_at is not None
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": batch.status,
        "request_counts": _counts(batch, now),
        "ended_at": stamp(batch.ended_at),
        "created_at": stamp(batch.created_at),
        "expires_at": stamp(batch.expires_at),
        "archived_at": stamp(batch.archive_at) if archived else None,
        "cancel_initiated_at": stamp(batch.cancel_at),
        "results_url": results_url if ended and not archived else None,
    }


def stamp(at: datetime | None) -> str | None:
    """A time as the API writes it."""
    return at.isoformat(timespec="microseconds") if at else None


def _due(batch: Batch) -> datetime:
    """When the batch ends without further calls."""
    limit = EXPIRES_AFTER.total_seconds()
    natural = min(batch.duration, limit)
    if batch.plan.expired and any(math.isinf(_runs_after(batch, row)) for row in batch.rows):
        natural = limit
    due = batch.created_at + timedelta(seconds=natural)
    if batch.cancel_at:
        due = min(due, batch.cancel_at + timedelta(seconds=batch.plan.cancel))
    return due


def _end(batch: Batch, at: datetime) -> Batch:
    ended = replace(batch, ended_at=at)
    return replace(ended, counts=Counter(outcome(ended, row) for row in batch.rows))


def _runs_after(batch: Batch, row: Row) -> float:
    """How many seconds after the create this row reaches a model."""
    position = row.digest / DIGEST_SPAN
    if position < batch.plan.expired:
        return math.inf
    return math.inf if math.isinf(batch.duration) else position * batch.duration


def _counts(batch: Batch, now: datetime) -> dict[str, int]:
    """Counts by state: all in processing until the end, unless the plan changes them earlier."""
    counts = batch.counts
    if not batch.ended_at and batch.plan.movement:
        elapsed = (now - batch.created_at).total_seconds()
        done = (row for row in batch.rows if _runs_after(batch, row) <= elapsed)
        counts = Counter("errored" if row.error else "succeeded" for row in done)
    open_rows = len(batch.rows) - sum(counts.values())
    return {"processing": open_rows, **{name: counts.get(name, 0) for name in OUTCOMES}}
