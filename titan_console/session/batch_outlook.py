"""What open batches are expected to do: when they end, and what they save."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from core.money.cost_history import expected_saving, history_since
from state.db.reader import Source
from state.model.records import Batch
from state.operations import deadlines
from state.queries import batch_models
from state.queries.batch_replays import replays_in
from state.queries.mean_costs import AnswerCosts, answer_costs


class Outlook(Struct, frozen=True):
    """By workflow, how many seconds batches took and what answers cost; by batch, its models.

    `replays` are the ids of the batches whose requests have ended in an earlier batch.
    """

    api_times: Mapping[str, Sequence[float]] = {}
    costs: Mapping[str, Sequence[AnswerCosts]] = {}
    models: Mapping[int, tuple[str, ...]] = {}
    replays: frozenset[int] = frozenset()

    def knows(self, batch: Batch) -> bool:
        """Whether it was read for the workflow of this batch."""
        return batch.workflow in self.costs

    def models_of(self, batch: Batch) -> tuple[str, ...]:
        """Its models, as far as they are known."""
        return self.models.get(batch.id, (batch.model,))

    def saving_of(self, batch: Batch) -> int | None:
        """What it is expected to save, in nano-dollars; None where nothing tells."""
        return expected_saving(batch, self.models_of(batch), self.costs.get(batch.workflow, ()))


def read(source: Source, batches: Sequence[Batch], before: Outlook, now: datetime) -> Outlook:
    """The outlook of these batches; the models of a batch never change, so those are kept."""
    workflows = {batch.workflow for batch in batches}
    since = history_since(now)
    kept = {batch.id: before.models[batch.id] for batch in batches if batch.id in before.models}
    return Outlook(
        api_times=deadlines.api_times_of(source, workflows),
        costs={name: answer_costs(source, name, since_day=since) for name in workflows},
        models=kept
        | batch_models.requested(source, (b.id for b in batches if b.id not in before.models)),
        replays=replays_in(source, (batch.id for batch in batches)),
    )
