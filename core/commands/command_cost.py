"""The maximum cost of a command's requests, and the expected one from their workflows' answers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.money.estimate import History, history_since, mean_costs
from core.requests.model_limits import undated
from state.batches import budget_reservations
from state.operations import previews
from state.operations.commands import Edit
from state.queries.mean_costs import answer_costs


class CommandCost(Struct, frozen=True, kw_only=True):
    """Nano-dollars in a batch and synchronously. None: not known of every request."""

    batch_nano: int | None = 0
    sync_nano: int | None = 0
    expected_batch_nano: int | None = 0
    expected_sync_nano: int | None = 0


def command_cost(context: Context, ids: Sequence[int], edits: Sequence[Edit] = ()) -> CommandCost:
    """The cost of these requests, with the bodies of the edits in place of theirs."""
    edited = {edit.request_id: edit.model for edit in edits}
    unchanged = [number for number in ids if number not in edited]
    costs = [
        *budget_admission.costs_at_most(context, unchanged),
        *((edit.at_most_batch_nano, edit.at_most_sync_nano) for edit in edits),
    ]
    means = _means(context, unchanged, edited)
    return CommandCost(
        batch_nano=_sum([batch for batch, _ in costs]),
        sync_nano=_sum([sync for _, sync in costs]),
        expected_batch_nano=_sum([batch for batch, _ in means]),
        expected_sync_nano=_sum([sync for _, sync in means]),
    )


def _means(
    context: Context, unchanged: Sequence[int], edited: Mapping[int, str | None]
) -> list[tuple[int | None, int | None]]:
    """For each workflow and model, the mean cost of its answers times the requests."""
    counts = Counter(previews.models(context.ledger, unchanged))
    for number, (workflow, _) in budget_reservations.names_of(context.ledger, edited).items():
        counts[workflow, edited[number] or ""] += 1
    histories = {workflow: _history(context, workflow) for workflow, _ in counts}
    found = list[tuple[int | None, int | None]]()
    for (workflow, model), count in counts.items():
        mean = histories[workflow].get(undated(model))
        # Whether an entry of a cache still lives when they run is not known.
        batch, sync = mean.uncached if mean else (None, None)
        found.append(
            (None if batch is None else batch * count, None if sync is None else sync * count)
        )
    return found


def _history(context: Context, workflow: str) -> History:
    since = history_since(context.clock.now())
    costs = answer_costs(context.ledger, workflow, since_day=since)
    return mean_costs(costs, context.prices, context.clock.now())


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
