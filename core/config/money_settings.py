"""[budgets] and [[prices.MODEL]] of titan.toml: spending limits, and prices for models.

Prices are dollars for a million tokens at the standard rate; the Batches API bills half of each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from msgspec import Struct, field

from core.config.toml_reader import Amount, Dollars, Price, Record
from state.batches.budget_reservations import Scope

_PICO_PER_DOLLAR_PER_MTOK = 1_000_000
_NANO = 10**9
# An agent reads it, too, and is not to edit the file.
_OWNER_RAISES = "the owner of titan.toml can raise it in [budgets.agents]"
# What the API charges for a cache, as a multiple of the input price.
_CACHE_FACTORS = {
    "cache_write_5m": Decimal("1.25"),
    "cache_write_1h": Decimal(2),
    "cache_read": Decimal("0.1"),
}


class Limit(Struct, frozen=True):
    """One budget: its name in messages, nano-dollars, and which submissions count.

    Without a scope, nothing but what is admitted now. `raised_by` is what to do to raise it.
    """

    text: str
    nano: int
    scope: Scope | None
    raised_by: str = "raise it in titan.toml"


class AgentBudgets(Record, frozen=True, kw_only=True):
    """[budgets.agents]: dollars of one call, and of a UTC day.

    They count whatever is in no workflow with a budget of its own, whoever submits it: no name and
    no option that an agent may choose leads out of them (ADR 15).
    """

    call_usd: Amount | None = None
    day_usd: Amount | None = None


class Budgets(Record, frozen=True, kw_only=True):
    """Dollars a UTC day, a UTC day by workflow, in total by tag, and of agents; None: no limit."""

    day_usd: Amount | None = None
    workflows: dict[str, Amount] = field(default_factory=dict[str, Dollars])
    tags: dict[str, Amount] = field(default_factory=dict[str, Dollars])
    agents: AgentBudgets = AgentBudgets()

    def limits_of(self, *, day: str, workflow: str, tag: str) -> list[Limit]:
        """The limits of a submission made on that UTC day."""
        found = (
            ("daily budget", self.day_usd, Scope(day=day)),
            (
                f"daily budget of workflow {workflow}",
                self.workflows.get(workflow),
                Scope(day=day, workflow=workflow),
            ),
            (f"budget of tag {tag}", self.tags.get(tag), Scope(tag=tag)),
        )
        limits = [
            Limit(text, int(usd * _NANO), scope) for text, usd, scope in found if usd is not None
        ]
        return limits if workflow in self.workflows else [*limits, *self.limits_of_agents(day)]

    def limits_of_agents(self, day: str) -> list[Limit]:
        """The limits of whatever is in no workflow with a budget of its own, on that UTC day."""
        others = Scope(day=day, but_workflows=tuple(sorted(self.workflows)))
        found = (
            ("budget of one call for agents", self.agents.call_usd, None),
            ("daily budget for agents", self.agents.day_usd, others),
        )
        return [
            Limit(text, int(usd * _NANO), scope, _OWNER_RAISES)
            for text, usd, scope in found
            if usd is not None
        ]


class Rates(Struct, frozen=True, kw_only=True):
    """Standard prices of one model, in pico-dollars a token."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


class PriceRow(Record, frozen=True, kw_only=True):
    """The prices of a model from a UTC day on; `from`, `input` and `output` are required."""

    first_day: date | None = field(name="from", default=None)
    input: Price | None = None
    output: Price | None = None
    cache_write_5m: Price | None = None
    cache_write_1h: Price | None = None
    cache_read: Price | None = None

    def check(self, keys: set[str]) -> Iterator[tuple[str, str, str]]:
        """See `Record.check`."""
        for key in ("from", "input", "output"):
            if key not in keys:
                yield key, "key_missing", "is missing."

    def rates(self) -> Rates | None:
        """None while a required key is absent or wrong."""
        if self.first_day is None or self.input is None or self.output is None:
            return None
        cache = {
            name: _pico(self.input * factor if (price := getattr(self, name)) is None else price)
            for name, factor in _CACHE_FACTORS.items()
        }
        return Rates(input=_pico(self.input), output=_pico(self.output), **cache)


def _pico(dollars: Decimal) -> int:
    return int(dollars * _PICO_PER_DOLLAR_PER_MTOK)


# Stands for a row of titan.toml that lacks a required key: the model is unpriced from its day on.
GAP = Rates(input=0, output=0, cache_write_5m=0, cache_write_1h=0, cache_read=0)
# By model; the latest first day first.
OwnPrices = Mapping[str, tuple[tuple[date, Rates], ...]]


def own_prices(tables: Mapping[str, tuple[PriceRow, ...]]) -> OwnPrices:
    """The rows of each model, an incomplete one as `GAP`."""
    found = dict[str, tuple[tuple[date, Rates], ...]]()
    for model, rows in tables.items():
        days = [(row.first_day or date.min, row.rates() or GAP) for row in rows]
        if days:
            found[model] = tuple(sorted(days, key=lambda row: row[0], reverse=True))
    return found


def repeated_days(tables: Mapping[str, tuple[PriceRow, ...]]) -> Iterator[tuple[str, date]]:
    """Each model and day from which more than one row has its prices."""
    for model, rows in tables.items():
        days = Counter(row.first_day for row in rows)
        yield from ((model, day) for day, count in days.items() if day and count > 1)


def own_rates(prices: OwnPrices, model: str, day: date) -> Rates | None:
    """The model's own rates on that day, `GAP` where they are incomplete; None: it has none."""
    return next((rates for first, rates in prices.get(model, ()) if first <= day), None)
