"""The records of `errors --json`: failed requests, answers to review, groups of equal errors."""

from msgspec import Struct

from core.reporting.error_groups import ErrorGroup, NextStep
from state.model.records import (
    Outcome,
)
from state.operations.reviews import ReviewRow
from state.queries.error_list import ErrorRow


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
    invalid: None = None


class ReviewReport(_NamedRequest, frozen=True, kw_only=True):
    """An answer flagged for review. `review` is its stop reason, or `invalid`."""

    review: str
    invalid: str | None


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
        review=row.review,
        invalid=row.invalid,
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
