"""What the answers of a workflow cost so far."""

from collections.abc import Sequence

from msgspec import Struct

from state.db.reader import Source
from state.model.records import BatchKind
from state.model.usage import TOKENS, Tokens


class AnswerCosts(Struct, frozen=True, kw_only=True):
    """Priced answers of one model and mode, and their sums: nano-dollars and tokens.

    `fee_nano` is the part of both costs that is not for tokens.
    """

    model: str
    kind: BatchKind
    answers: int
    cost_nano: int
    sync_cost_nano: int
    fee_nano: int = 0
    tokens: Tokens = Tokens()


def answer_costs(source: Source, workflow: str, *, since_day: str) -> Sequence[AnswerCosts]:
    """The answers of the workflow from that UTC day on."""
    sums = ", ".join(
        f"sum({name}) AS {name}" for name in ("cost_nano", "sync_cost_nano", "fee_nano", *TOKENS)
    )
    rows = source.rows(
        f"SELECT model, kind, sum(succeeded) - sum(unpriced) AS answers, {sums} FROM daily_totals"  # noqa: S608 - our own words
        " WHERE workflow = ? AND day >= ? GROUP BY model, kind"
        " HAVING sum(succeeded) > sum(unpriced) ORDER BY model, kind",
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
            fee_nano=row["fee_nano"],
            tokens=Tokens(**{name: row[name] for name in TOKENS}),
        )
        for row in rows
    ]
