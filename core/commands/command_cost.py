"""The maximum cost of a command's requests, and the expected one from their workflows' answers."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.commands.primed_cost import PrimedCost, primed_cost
from core.money.cost_history import history_since
from core.money.estimate import History, mean_costs
from core.requests.model_limits import undated
from state.batches import budget_reservations
from state.batches.edits import Edit
from state.operations import previews
from state.operations.previews import ModelGroup
from state.queries.mean_costs import answer_costs


class CommandCost(Struct, frozen=True, kw_only=True):
    """Nano-dollars in a batch and synchronously. None: not known of every request.

    `primed`: what the prompt cache changes, where submissions of the requests prime it.
    """

    batch_nano: int | None = 0
    sync_nano: int | None = 0
    expected_batch_nano: int | None = 0
    expected_sync_nano: int | None = 0
    primed: PrimedCost | None = None


def command_cost(context: Context, ids: Collection[int], edits: Sequence[Edit] = ()) -> CommandCost:
    """The cost of these requests, with the bodies of the edits in place of theirs."""
    edited = {edit.request_id: edit.model for edit in edits}
    unchanged = budget_admission.without_edited(ids, edits)
    of_edits = [(edit.at_most_batch_nano, edit.at_most_sync_nano) for edit in edits]
    found = previews.by_model(context.ledger, unchanged)
    costs = [
        *budget_admission.costs_at_most(context, unchanged, found),
        *of_edits,
    ]
    histories = _Histories(context)
    means = _means(context, histories, found, edited)
    is_primed = any(group.is_primed for group in found)
    primed = primed_cost(context, unchanged, histories.of, of_edits) if is_primed else None
    expected = _sum([batch for batch, _ in means])
    if expected is not None and primed is not None:
        expected += primed.expected_change_nano
    return CommandCost(
        batch_nano=_sum([batch for batch, _ in costs]),
        sync_nano=_sum([sync for _, sync in costs]),
        expected_batch_nano=expected,
        expected_sync_nano=_sum([sync for _, sync in means]),
        primed=primed,
    )


def _means(
    context: Context,
    histories: "_Histories",
    unchanged: Sequence[ModelGroup],
    edited: Mapping[int, str | None],
) -> list[tuple[int | None, int | None]]:
    """For each workflow, lane and model, the mean cost of its answers times the requests."""
    counts = Counter({(one.workflow, one.lane, one.model): one.requests for one in unchanged})
    for number, names in budget_reservations.names_of(context.ledger, edited).items():
        counts[names.workflow, names.lane, edited[number] or ""] += 1
    found = list[tuple[int | None, int | None]]()
    for (workflow, lane, model), count in counts.items():
        mean = histories.of(workflow, lane).get(undated(model))
        # Whether an entry of a cache still lives when they run is not known.
        batch, sync = mean.uncached if mean else (None, None)
        found.append(
            (None if batch is None else batch * count, None if sync is None else sync * count)
        )
    return found


class _Histories:
    """What the answers of each workflow cost, read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known = dict[tuple[str, str], History]()

    def of(self, workflow: str, lane: str) -> History:
        """Those of the workflow, compared at the prices of the lane."""
        if (workflow, lane) not in self._known:
            now, ledger = self._context.clock.now(), self._context.ledger
            costs = answer_costs(ledger, workflow, since_day=history_since(now))
            self._known[workflow, lane] = mean_costs(costs, self._context.prices.of(lane), now)
        return self._known[workflow, lane]


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
