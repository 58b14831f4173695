"""What the answers of a workflow cost so far."""

from collections.abc import Sequence

from msgspec import Struct

from state.db.reader import Source
from state.model.records import BatchKind


class AnswerCosts(Struct, frozen=True, kw_only=True):
    """Priced answers of one model and mode, and their sums in nano-dollars."""

    model: str
    kind: BatchKind
    answers: int
    cost_nano: int
    sync_cost_nano: int


def answer_costs(source: Source, workflow: str, *, since_day: str) -> Sequence[AnswerCosts]:
    """The answers of the workflow from that UTC day on."""
    rows = source.rows(
        "SELECT model, kind, sum(succeeded) - sum(unpriced) AS answers,"
        " sum(cost_nano) AS cost_nano, sum(sync_cost_nano) AS sync_cost_nano FROM daily_totals"
        " WHERE workflow = ? AND day >= ? GROUP BY model, kind HAVING answers > 0"
        " ORDER BY model, kind",
        workflow,
        since_day,
    )
    return [
        AnswerCosts(
            model=row["model"],
            kind=BatchKind(row["kind"]),
            answers=row["answers"],
            cost_nano=row["cost_nano"],
            sync_cost_nano=row["sync_cost_nano"],
        )
        for row in rows
    ]
