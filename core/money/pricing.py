"""Prices usage in nano-dollars: the actual cost, and the synchronous price.

Prices are genai-prices' standard ones; the Batches API bills half of each. Fees are not halved.
What has no known price makes the answer unpriced. Source and traps: Anthropic's pricing page, and
the notes on genai-prices in docs/adr/0007.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Self

from msgspec import Struct

from core.config.money_settings import GAP, OwnPrices, Rates, own_rates
from core.config.titan_tables import TitanToml
from core.money.price_list import STEPS, PriceList
from state.files.folder import Folder
from state.files.package_cache import PackageCache
from state.model.records import BatchKind
from state.model.usage import UNKNOWN, Tokens, Usage

__all__ = ["Charge", "PriceBook", "Rates", "dollars", "dollars_float"]

_DATE = re.compile(r"-\d{8}$")
_MOST_LAST = 1000
# A batch ends within 24 hours of its creation; one that is sent tomorrow, a day later.
_BATCH_DAYS = (0, 1, 2)
_PICO_PER_NANO = 1_000
_NANO_PER_DOLLAR = 1_000_000_000
_CENT, _PARTS = Decimal("0.01"), Decimal("0.0001")
_SMALL_NANO = 100_000_000  # ten cents
_TINY_NANO = 50_000  # half of the last digit that is shown

WEB_SEARCH_NANO = 10_000_000
# Percent of the price of tokens, by region. Models before 4.6 refuse a region.
REGION_PERCENT = {None: 100, "not_available": 100, "global": 100, "us": 110}
_WHOLE = 100
# Service tiers with a known price, by mode. The tier batch costs half in either.
_TIERS = {BatchKind.BATCH: (None, "batch"), BatchKind.SYNC: (None, "standard", "batch")}
_SPEEDS = (None, "standard")


class Charge(Struct, frozen=True, kw_only=True):
    """The price of one answer in nano-dollars; `fee_nano` is the part that is not for tokens.

    Cost and synchronous cost are None where the price is unknown; `unpriced` says why.
    """

    cost_nano: int | None = None
    sync_cost_nano: int | None = None
    fee_nano: int = 0
    unpriced: str | None = None


class PriceBook:
    """Looks up each model, day and step of prompt size once."""

    def __init__(
        self,
        own: OwnPrices | None = None,
        cache: PackageCache | None = None,
        *,
        lanes: Mapping[str, OwnPrices] = MappingProxyType({}),
    ) -> None:
        """`own` prices override the price list, which the `cache` keeps.

        `lanes` have the prices of lanes that differ: see `of`.
        """
        self._own = own or {}
        self._list = PriceList(cache)
        self._usual: PriceBook = self
        self._lanes: dict[str, PriceBook] = {}
        for name, prices in lanes.items():
            self._lanes[name] = self._of_lane(prices)
        # Without date -> the latest dated name. Answers have that name, requests as a rule not.
        self._dated = {_DATE.sub("", name): name for name in sorted(self._own)}
        self._known: dict[tuple[str, str, int, bool], Rates | None] = {}
        # A faster cache: the attempts of a batch have one time and few models.
        self._last: dict[tuple[str, datetime, int, bool], Rates | None] = {}
        self._highest: dict[tuple[str, datetime, int], Rates | None] = {}

    @classmethod
    def of_rules(cls, rules: TitanToml, cache: PackageCache | None = None) -> Self:
        """With the prices of titan.toml and of its lanes."""
        lanes = {name: rules.prices_of(name) for name, lane in rules.lanes.items() if lane.prices}
        return cls(rules.prices, cache, lanes=lanes)

    @classmethod
    def with_cache(cls, folder: Folder, rules: TitanToml) -> Self:
        """Keeps in the folder what it looks up in the price list, which takes long to load."""
        cache = PackageCache(folder.price_list, "genai_prices", data="data.py")
        return cls.of_rules(rules, cache)

    def of(self, lane: str) -> "PriceBook":
        """The prices of that lane; the usual ones where it has none of its own."""
        return self._lanes.get(lane, self._usual)

    def _of_lane(self, own: OwnPrices) -> "PriceBook":
        found = PriceBook(own)
        found._list, found._usual, found._lanes = self._list, self, self._lanes
        return found

    def price(
        self, model: str | None, usage: Usage | None, *, at: datetime, kind: BatchKind
    ) -> tuple[int | None, int | None]:
        """Cost, and cost if synchronous, in nano-dollars.

        Both are None where the model, its price or the usage is unknown.
        """
        if model is None or usage is None:
            return None, None
        found = self.charge(model, usage, at=at, kind=kind)
        return found.cost_nano, found.sync_cost_nano

    def charge(self, model: str | None, usage: Usage, *, at: datetime, kind: BatchKind) -> Charge:
        """The price of one answer, or why it has none."""
        if model is None:
            return Charge(unpriced=usage.unknown or f"{UNKNOWN}the answer names no model")
        if unknown := _without_price(usage, kind):
            return Charge(unpriced=unknown)
        pico, fast = 0, usage.speed == "fast"
        for part_model, part in parts(model, usage):
            rates = self.rates(part_model, prompt_tokens=prompt_tokens(part), at=at, fast=fast)
            if rates is None:
                return Charge(unpriced=self._no_price(part_model, usage, at))
            pico += cost_pico(rates, part)
        pico *= REGION_PERCENT[usage.inference_geo]
        fee = usage.web_searches * WEB_SEARCH_NANO
        sync = _nano(pico, 1) + fee
        cost = _nano(pico, 2) + fee if is_half(usage, kind) else sync
        return Charge(cost_nano=cost, sync_cost_nano=sync, fee_nano=fee)

    def rates(
        self, model: str, *, prompt_tokens: int, at: datetime, fast: bool = False
    ) -> Rates | None:
        """The standard rates for a prompt of that size at that time, or those of fast mode."""
        step = (prompt_tokens > STEPS[0]) + (prompt_tokens > STEPS[1])
        now = (model, at, step, fast)
        found = self._last.get(now)
        if found is None and now not in self._last:
            if len(self._last) > _MOST_LAST:
                self._last.clear()
            key = (model, at.astimezone(UTC).date().isoformat(), step, fast)
            if key not in self._known:
                self._known[key] = self._look_up(model, step, at, fast=fast)
            found = self._last[now] = self._known[key]
        return found

    def highest_rates(self, model: str, *, prompt_tokens: int, at: datetime) -> Rates | None:
        """The highest rates of the days on which a batch of that time may be answered.

        None if the model has no price on one of them.
        """
        step = (prompt_tokens > STEPS[0]) + (prompt_tokens > STEPS[1])
        now = (model, at, step)
        if now not in self._highest:
            if len(self._highest) > _MOST_LAST:
                self._highest.clear()
            days = (at + timedelta(days=later) for later in _BATCH_DAYS)
            found = [self.rates(model, prompt_tokens=prompt_tokens, at=day) for day in days]
            self._highest[now] = _highest([rates for rates in found if rates], count=len(found))
        return self._highest[now]

    def _look_up(self, model: str, step: int, at: datetime, *, fast: bool) -> Rates | None:
        own = self._own_rates(model, at)
        if own is None:
            return self._list.rates(model, step, at, fast=fast)
        # titan.toml has no prices for fast mode.
        return None if fast or own is GAP else own

    def _own_rates(self, model: str, at: datetime) -> Rates | None:
        day = at.astimezone(UTC).date()
        plain = _DATE.sub("", model)
        other = self._dated.get(model, model) if plain == model else plain
        return own_rates(self._own, model, day) or own_rates(self._own, other, day)

    def _no_price(self, model: str, usage: Usage, at: datetime) -> str:
        if self._own_rates(model, at) is GAP:
            return f"[[prices.{model}]] in titan.toml is incomplete"
        speed = " in fast mode" if usage.speed == "fast" else ""
        return f"no known price for model {model}{speed}"


def _highest(found: list[Rates], *, count: int) -> Rates | None:
    if len(found) < count:
        return None
    return Rates(
        **{name: max(getattr(rates, name) for rates in found) for name in Rates.__struct_fields__}
    )


def parts(model: str, usage: Usage) -> tuple[tuple[str, Tokens], ...]:
    """What is billed for tokens, with the model that it is billed as: the answer, then the rest."""
    if not usage.iterations:
        return ((model, usage),)
    return ((model, usage), *((part.model or model, part) for part in usage.iterations))


def is_half(usage: Usage, kind: BatchKind) -> bool:
    """Whether the tokens cost half: in a batch, also in one that a job sent by itself."""
    return kind == BatchKind.BATCH or usage.service_tier == "batch"


def _without_price(usage: Usage, kind: BatchKind) -> str | None:
    """The first value without a known price."""
    if usage.unknown:
        return usage.unknown
    if usage.inference_geo not in REGION_PERCENT:
        return f"unknown region {usage.inference_geo!r}"
    if usage.service_tier not in _TIERS[kind]:
        return f"service_tier {usage.service_tier!r} of a {kind} answer has no known price"
    if usage.speed not in _SPEEDS and (usage.speed != "fast" or is_half(usage, kind)):
        return f"speed {usage.speed!r} of a {kind} answer has no known price"
    return None


def _nano(pico_percent: int, divisor: int) -> int:
    """Nano-dollars of a part; halves round up."""
    whole = _PICO_PER_NANO * _WHOLE * divisor
    return (2 * pico_percent + whole) // (2 * whole)


def cost_pico(rates: Rates, usage: Tokens) -> int:
    """The cost of the tokens at those rates, in pico-dollars."""
    return (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_write_5m_tokens * rates.cache_write_5m
        + usage.cache_write_1h_tokens * rates.cache_write_1h
        + usage.cache_read_tokens * rates.cache_read
    )


def prompt_tokens(usage: Tokens) -> int:
    """All tokens that the model read, cached or not."""
    return (
        usage.input_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_read_tokens
    )


def dollars(nano: int) -> Decimal:
    """Nano-dollars as exact dollars."""
    return Decimal(nano).scaleb(-9)


def dollars_float(nano: int) -> float:
    """The float nearest to the exact dollars."""
    return nano / _NANO_PER_DOLLAR


def dollars_text(nano: int) -> str:
    """Dollars to the cent; four places below ten cents, and never zero for what is not."""
    sign, size = ("-" if nano < 0 else ""), abs(nano)
    if 0 < size < _TINY_NANO:
        return f"{sign}<$0.0001"
    exponent = _PARTS if 0 < size < _SMALL_NANO else _CENT
    return f"{sign}${dollars(size).quantize(exponent, rounding=ROUND_HALF_UP):,}"


def exact_text(nano: int) -> str:
    """All decimals of the dollars."""
    return f"{'-' if nano < 0 else ''}${dollars(abs(nano)):f}"


def usd(nano: int | None) -> float | None:
    """Nano-dollars as a JSON number of dollars; None stays None."""
    return None if nano is None else dollars_float(nano)
