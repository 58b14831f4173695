"""What requests will cost, before the API has counted their tokens. Pure.

Two figures: the *maximum*, an upper bound from the body, and the *expected* cost, the mean of the
requests of that workflow and model so far. A request without cache marks is expected to cost what
those would have cost without a cache.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct, field

from core.money.price_list import STEPS
from core.money.pricing import (
    REGION_PERCENT,
    WEB_SEARCH_NANO,
    PriceBook,
    cost_pico,
    prompt_tokens,
)
from core.requests.cost_bounds import Bounds, bounds_of
from core.requests.model_limits import undated
from core.requests.payload import Line
from state.model.records import BatchKind
from state.queries.mean_costs import AnswerCosts

# A request that names no region runs in that of the workspace, whichever it is.
MOST_PERCENT = max(REGION_PERCENT.values())
# Pico-dollars in a nano-dollar, times a whole in percent.
_PICO_PERCENT = 1_000 * 100
_HALF_PERCENT = 2 * _PICO_PERCENT
# So that the sum over 100,000 requests fits into the ledger.
_MOST_NANO = 90_000 * 10**9


class CostBound(NamedTuple):
    """The maximum cost of one request, in nano-dollars, with the bounds of its tokens.

    `at_most` is its cost in a batch and synchronously, None where the model `unpriced` has no
    price, or the part `unbounded` of the request no bound. `known` leaves that part out.
    """

    bounds: Bounds
    at_most: tuple[int | None, int | None]
    known: tuple[int, int] = (0, 0)
    unpriced: str = ""
    unbounded: str = ""


def cost_bound(
    prices: PriceBook, at: datetime, line: Line, *, unbounded_nano: int | None = None
) -> CostBound:
    """The bound of one request; without one it counts as `unbounded_nano`."""
    if plain := text_cost(prices, at, line):
        return CostBound(Bounds(len(line.body), line.max_tokens), plain, plain)
    bounds = bounds_of(line.body, line.max_tokens)
    batch, sync = _price(prices, line.model, bounds, at)
    if batch is None or sync is None:
        return CostBound(bounds, (None, None), unpriced=line.model)
    unbounded = bounds.unbounded or ("its price" if sync > _MOST_NANO else "")
    least = unbounded_nano or 0 if unbounded else 0
    known = (min(max(batch, least), _MOST_NANO), min(max(sync, least), _MOST_NANO))
    at_most = (None, None) if unbounded and unbounded_nano is None else known
    return CostBound(bounds, at_most, known, unbounded=unbounded)


def text_cost(prices: PriceBook, at: datetime, line: Line) -> tuple[int, int] | None:
    """`at_most` of plain text at a usual price; None for other requests.

    Quick, for there may be 100,000 requests.
    """
    _, body, _, model, max_tokens, _, _, is_plain = line
    length = len(body)
    if not is_plain or length > STEPS[0] or (rates := _text_rates(prices, at, model)) is None:
        return None
    tokens = length * rates[0] + max_tokens * rates[1]
    sync = -(-tokens // _PICO_PERCENT)
    return (-(-tokens // _HALF_PERCENT), sync) if sync <= _MOST_NANO else None


@lru_cache(maxsize=16)
def _text_rates(prices: PriceBook, at: datetime, model: str) -> tuple[int, int] | None:
    """What a token of the prompt and one of the answer cost at most, in pico-dollars percent."""
    rates = prices.highest_rates(model, prompt_tokens=0, at=at)
    return None if rates is None else (rates.input * MOST_PERCENT, rates.output * MOST_PERCENT)


class MeanCost(NamedTuple):
    """The mean cost of an answer so far, in nano-dollars; None without one.

    `recorded` as its cache was, `uncached` as if it had none: in a batch and synchronously.
    `prompt_nano` is the part of a batch's uncached cost that is for the prompt.
    """

    recorded: "Costs"
    uncached: "Costs"
    prompt_nano: int | None


Costs = tuple[int | None, int | None]
# By model, without the date of a dated name.
History = Mapping[str, MeanCost]


def mean_costs(costs: Iterable[AnswerCosts], prices: PriceBook, at: datetime) -> History:
    """The mean cost of an answer of each model, from the answers of one workflow.

    Prices of that time say what a cache changed.
    """
    found = defaultdict[str, list[_Repriced]](list)
    for one in costs:
        found[undated(one.model)].append(_Repriced(one, prices, at))
    return {model: _mean_cost(parts) for model, parts in found.items()}


class _Repriced:
    """Answers of one model and mode, and what they would have cost without a cache."""

    def __init__(self, costs: AnswerCosts, prices: PriceBook, at: datetime) -> None:
        self.costs, self.answers = costs, costs.answers
        self._plain = self._recorded = self._prompt = 1
        tokens, prompt = costs.tokens, prompt_tokens(costs.tokens)
        rates = prices.rates(costs.model, prompt_tokens=prompt // costs.answers, at=at)
        if rates is not None and (recorded := cost_pico(rates, tokens)):
            self._recorded, self._prompt = recorded, prompt * rates.input
            self._plain = self._prompt + tokens.output_tokens * rates.output

    def uncached(self, nano: int) -> int:
        """That cost without a cache: fees stay, tokens change as their list prices do."""
        fee = self.costs.fee_nano
        return fee + -(-(nano - fee) * self._plain // self._recorded)

    def prompt(self, nano: int) -> int:
        """The part of it that is for prompts."""
        return -(-(nano - self.costs.fee_nano) * self._prompt // self._recorded)


def _mean_cost(parts: list[_Repriced]) -> MeanCost:
    batches = [one for one in parts if one.costs.kind == BatchKind.BATCH]
    in_batches, all_answers = _answers(batches), _answers(parts)
    return MeanCost(
        recorded=(
            _mean([one.costs.cost_nano for one in batches], in_batches),
            _mean([one.costs.sync_cost_nano for one in parts], all_answers),
        ),
        uncached=(
            _mean([one.uncached(one.costs.cost_nano) for one in batches], in_batches),
            _mean([one.uncached(one.costs.sync_cost_nano) for one in parts], all_answers),
        ),
        prompt_nano=_mean([one.prompt(one.costs.cost_nano) for one in batches], in_batches),
    )


def _answers(parts: list[_Repriced]) -> int:
    return sum(one.answers for one in parts)


def _mean(nanos: list[int], answers: int) -> int | None:
    return -(-sum(nanos) // answers) if answers else None


class ModelEstimate(Struct, kw_only=True):
    """Sums over the requests of one model. Money in nano-dollars; tokens and cost are maximums.

    `marked` of the requests may use a cache.
    """

    requests: int = 0
    marked: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    batch_nano: int = 0
    sync_nano: int = 0
    expected_batch_nano: int | None = None
    expected_sync_nano: int | None = None


class Estimate(Struct, kw_only=True):
    """Sums over requests, by model.

    `unpriced` models are not in the money. `unbounded` counts the requests of which a part has no
    bound, by that part; they count as `unbounded_nano` each, or without that part if it is None.
    """

    prices: PriceBook
    at: datetime
    unbounded_nano: int | None = None
    models: dict[str, ModelEstimate] = field(default_factory=dict[str, ModelEstimate])
    unpriced: set[str] = field(default_factory=set[str])
    unbounded: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def begin(
        cls, prices: PriceBook, at: datetime, *, unbounded_nano: int | None = None
    ) -> "Estimate":
        """An empty estimate at the prices of that day."""
        return cls(prices=prices, at=at, unbounded_nano=unbounded_nano)

    def add(self, line: Line) -> None:
        """Add one request."""
        found = cost_bound(self.prices, self.at, line, unbounded_nano=self.unbounded_nano)
        sums = self.models.setdefault(line.model, ModelEstimate())
        sums.requests += 1
        sums.marked += found.bounds.five_minutes
        sums.tokens_in += found.bounds.input_tokens
        sums.tokens_out += found.bounds.output_tokens
        sums.batch_nano += found.known[0]
        sums.sync_nano += found.known[1]
        if found.unpriced:
            self.unpriced.add(found.unpriced)
        if found.unbounded:
            self.unbounded[found.unbounded] = self.unbounded.get(found.unbounded, 0) + 1

    @property
    def is_capped(self) -> bool:
        """Whether requests without a bound count as a stated sum."""
        return self.unbounded_nano is not None

    def expect(self, history: History) -> None:
        """Set what the requests are expected to cost, from that of earlier answers."""
        for model, sums in self.models.items():
            mean = history.get(undated(model))
            if mean is not None:
                plain = sums.requests - sums.marked
                sums.expected_batch_nano, sums.expected_sync_nano = (
                    None
                    if cached is None or uncached is None
                    else cached * sums.marked + uncached * plain
                    for cached, uncached in zip(mean.recorded, mean.uncached, strict=True)
                )

    @property
    def requests(self) -> int:
        """How many were added."""
        return sum(one.requests for one in self.models.values())

    @property
    def tokens_in(self) -> int:
        """The maximum of input tokens."""
        return sum(one.tokens_in for one in self.models.values())

    @property
    def tokens_out(self) -> int:
        """The maximum of output tokens."""
        return sum(one.tokens_out for one in self.models.values())

    @property
    def batch_nano(self) -> int:
        """The maximum cost in batches."""
        return sum(one.batch_nano for one in self.models.values())

    @property
    def sync_nano(self) -> int:
        """The maximum synchronous cost."""
        return sum(one.sync_nano for one in self.models.values())

    @property
    def expected_batch_nano(self) -> int | None:
        """The expected cost in batches; None where a model has no history."""
        return _sum([one.expected_batch_nano for one in self.models.values()])

    @property
    def expected_sync_nano(self) -> int | None:
        """The expected synchronous cost; None where a model has no history."""
        return _sum([one.expected_sync_nano for one in self.models.values()])


def _price(
    prices: PriceBook, model: str, bounds: Bounds, at: datetime
) -> tuple[int | None, int | None]:
    """In a batch and synchronously, rounded up; both None without a known price."""
    rates = prices.highest_rates(model, prompt_tokens=bounds.input_tokens, at=at)
    if rates is None:
        return None, None
    per_input = max(
        rates.input,
        rates.cache_write_5m if bounds.five_minutes else 0,
        rates.cache_write_1h if bounds.hour else 0,
    )
    percent = REGION_PERCENT["global"] if bounds.is_global else MOST_PERCENT
    tokens = (bounds.input_tokens * per_input + bounds.output_tokens * rates.output) * percent
    fee = bounds.web_searches * WEB_SEARCH_NANO
    return -(-tokens // (2 * _PICO_PERCENT)) + fee, -(-tokens // _PICO_PERCENT) + fee


def _sum(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None
