"""A submission as JSON."""

from collections.abc import Sequence

from msgspec import Struct

from core.intake.submit import SubmitResult
from state.model.records import Batch, BatchStatus, OnFailure


class SubmitReport(Struct, frozen=True, kw_only=True):
    """A submission as JSON.

    `trouble` is the old name of `problem`, and `batch_id` of `submission_id`, for one release.
    """

    submission_id: str
    batch_id: str
    tag: str
    workflow: str
    job: str | None
    model: str
    deadline_ts: str | None
    on_failure: OnFailure
    request_count: int
    batches: int
    repeated: bool
    problem: str | None
    trouble: str | None
    warnings: list[str]
    lane: str


def report(submitted: SubmitResult, batches: Sequence[Batch]) -> SubmitReport:
    """The submission as JSON, with the batches it is in."""
    taken = submitted.submission
    return SubmitReport(
        submission_id=taken.key,
        batch_id=taken.key,
        tag=taken.tag,
        workflow=taken.workflow,
        job=taken.job,
        model=taken.model,
        deadline_ts=taken.deadline_ts,
        on_failure=taken.on_failure,
        request_count=taken.request_count,
        batches=sum(batch.status != BatchStatus.NOT_SENT for batch in batches),
        repeated=submitted.repeated,
        problem=submitted.problem,
        trouble=submitted.problem,
        warnings=list(submitted.warnings),
        lane=taken.lane,
    )
