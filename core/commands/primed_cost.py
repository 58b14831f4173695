"""What a command's requests cost by the prompt cache, where their submissions prime it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec import Struct

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.config import titan_file
from core.config.titan_tables import TitanToml
from core.money.cache_costs import CacheCosts, costs, expected_change
from core.money.estimate import CostBound, History
from core.requests.common_prefix import Prefix, prefix_of
from core.requests.model_limits import undated
from core.requests.payload import parse_line
from state.batches import priming_records
from state.batches.priming_records import PrimedRequests
from state.files.spool import LineReader
from state.model.errors import TitanError
from state.operations import command_effects, previews

_Costs = Sequence[tuple[int | None, int | None]]


class PrimedCost(Struct, frozen=True, kw_only=True):
    """The costs of all requests of the command in batches. Money in nano-dollars.

    Batches are sent with marks `until_ts`; None: no longer, so that they cost what they do
    uncached. Priming is expected to add `expected_change_nano`, negative as a rule.
    """

    costs: CacheCosts
    until_ts: str | None
    expected_change_nano: int


def primed_cost(
    context: Context,
    request_ids: Collection[int],
    history: Callable[[str, str], History],
    edited: _Costs,
) -> PrimedCost | None:
    """None where none of them is primed, or where a cost has no upper bound.

    `edited` are the costs of further requests, whose new bodies are not primed.
    """
    groups = priming_records.of_requests(context.ledger, request_ids)
    if not groups:
        return None
    primed = {number for group in groups for number in group.request_ids}
    others = [number for number in request_ids if number not in primed]
    by_model = previews.by_model(context.ledger, others)
    found = [*budget_admission.costs_at_most(context, others, by_model), *edited]
    uncached = [batch for batch, _ in found]
    parts, change, until = list[CacheCosts](), 0, list[str]()
    now, rules = context.ledger.now_text(), titan_file.read(context.folder)
    for group in groups:
        bodies = _Bodies(context, rules, group)
        uncached += bodies.batch_costs
        is_in_time = group.until_ts > now
        added = bodies.added(is_written=is_in_time and group.is_written)
        if added is None:
            return None
        parts += [added] if bodies.prefixes else []
        if is_in_time:
            until.append(group.until_ts)
            change += bodies.change(history(group.workflow, group.lane))
    known = [nano for nano in uncached if nano is not None]
    if len(known) < len(uncached) or not parts:
        return None
    plain = sum(known)
    summed = CacheCosts(
        uncached_nano=plain,
        cold_nano=plain + sum(one.cold_nano for one in parts),
        primed_nano=plain + sum(one.primed_nano for one in parts),
    )
    return PrimedCost(costs=summed, until_ts=min(until, default=None), expected_change_nano=change)


class _Bodies:
    """The bodies of one submission's requests: what they cost uncached, and their prefixes."""

    def __init__(self, context: Context, rules: TitanToml, group: PrimedRequests) -> None:
        self._context, self._group = context, group
        self._prices = context.prices.of(group.lane)
        self.batch_costs = list[int | None]()
        self._requests, self._tokens = Counter[str](), Counter[str]()
        prefixes = dict[str, Prefix]()
        with LineReader(context.folder.spool, context.ledger.files) as lines:
            for number in group.request_ids:
                try:
                    line = parse_line(
                        lines.read(*command_effects.body_of(context.ledger, number)), betas=()
                    )
                except (TitanError, msgspec.DecodeError):
                    # The body is deleted, or was never known.
                    self.batch_costs.append(None)
                    continue
                self._add(line.model, budget_admission.bound(context, rules, number, line))
                if (one := prefix_of(line, group.blocks_by_head)) is not None:
                    known = prefixes.get(one.head)
                    count = known.requests + 1 if known else 1
                    prefixes[one.head] = msgspec.structs.replace(one, requests=count)
        self.prefixes = list(prefixes.values())

    def _add(self, model: str, bound: CostBound) -> None:
        self.batch_costs.append(bound.at_most[0])
        self._requests[model] += 1
        self._tokens[model] += bound.bounds.input_tokens

    def added(self, *, is_written: bool) -> CacheCosts | None:
        """What the cache adds to their cost; None where a model has no known price."""
        written = self.prefixes if is_written else ()
        return costs(self.prefixes, 0, self._prices, self._context.clock.now(), written=written)

    def change(self, history: History) -> int:
        """What priming is expected to add to their cost."""
        at, prices = self._context.clock.now(), self._prices
        return sum(
            expected_change(
                prefix,
                history.get(undated(prefix.model)),
                prices.rates(prefix.model, prompt_tokens=prefix.bytes, at=at),
                requests=self._requests[prefix.model],
                tokens_in=self._tokens[prefix.model],
                is_written=self._group.is_written,
            )
            for prefix in self.prefixes
        )
