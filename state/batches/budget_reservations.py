"""What submissions are expected to cost, until it is known what they did cost."""

from msgspec import Struct

from state.db.ledger import Ledger
from state.db.reader import Source
from state.model.records import Submission


class Scope(Struct, frozen=True, kw_only=True):
    """Which submissions count: those made on a UTC day, of a workflow, under a tag."""

    day: str = ""
    workflow: str | None = None
    tag: str | None = None


def reserve(ledger: Ledger, submission: Submission, estimate_nano: int) -> None:
    """Inside a transaction: reserve the estimate."""
    ledger.execute(
        "INSERT INTO budget_reservations (submission_id, estimate_nano) VALUES (?, ?)",
        submission.id,
        estimate_nano,
    )


def reserved(source: Source, scope: Scope) -> int:
    """Nano-dollars: the cost of finished submissions; of others the estimate or a higher cost."""
    cost = "(SELECT coalesce(sum(b.cost_nano), 0) FROM batches b WHERE b.submission_id = s.id)"
    row = source.rows(
        "SELECT coalesce(sum(CASE WHEN s.finished_ts IS NOT NULL"  # noqa: S608 - our own words
        f" THEN {cost} ELSE max(coalesce(k.estimate_nano, 0), {cost}) END), 0)"
        " FROM submissions s LEFT JOIN budget_reservations k ON k.submission_id = s.id"
        " WHERE s.created_ts >= ? AND (? IS NULL OR s.workflow = ?) AND (? IS NULL OR s.tag = ?)",
        scope.day,
        *(scope.workflow, scope.workflow),
        *(scope.tag, scope.tag),
    )[0]
    return int(row[0])
