"""What earlier answers of a workflow say of a batch: what it is expected to save. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.requests.model_limits import undated
from state.model.records import Batch, BatchKind
from state.queries.mean_costs import AnswerCosts

_HISTORY = timedelta(days=90)


def history_since(at: datetime) -> str:
    """The first UTC day of the answers that count."""
    return (at - _HISTORY).date().isoformat()


def expected_saving(
    batch: Batch, models: Sequence[str], costs: Sequence[AnswerCosts]
) -> int | None:
    """Nano-dollars: the mean saving of an answer of these models, for each request.

    `costs` are those of the workflow; answers of synchronous runs count with half the price of
    their tokens, which is the price in a batch. None without any, and for a synchronous run.
    """
    if batch.kind == BatchKind.SYNC:
        return None
    named = {undated(model) for model in (models or (batch.model,))}
    earlier = [one for one in costs if undated(one.model) in named]
    answers = sum(one.answers for one in earlier)
    if not answers:
        return None
    saved = sum(
        one.sync_cost_nano - one.cost_nano
        if one.kind == BatchKind.BATCH
        else (one.sync_cost_nano - one.fee_nano) // 2
        for one in earlier
    )
    return saved * batch.request_count // answers
