"""Prices usage in nano-dollars: the actual cost, and the synchronous price.

Prices are genai-prices' standard ones; the Batches API bills half of each. Source and traps:
Anthropic's pricing page, and the notes on genai-prices in docs/adr/0007.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from core.config.money_settings import OwnPrices, Rates, own_rates
from state.model.records import BatchKind, Usage

__all__ = ["PriceBook", "Rates", "dollars", "dollars_float"]

# Models that the price list lacks, and the model whose prices apply to them.
_SAME_PRICE = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}
_DATE = re.compile(r"-\d{8}$")
# Prompt sizes at which a price may change; looked up between these steps.
_STEPS = (100_000, 200_000)
_MOST_LAST = 1000
_PICO_PER_DOLLAR_PER_MTOK = 1_000_000
_PICO_PER_NANO = 1_000
_NANO_PER_DOLLAR = 1_000_000_000
_CENT, _PARTS = Decimal("0.01"), Decimal("0.0001")


class PriceBook:
    """Looks up each model, day and step of prompt size once."""

    def __init__(self, own: OwnPrices | None = None) -> None:
        """`own` prices override the built-in list."""
        self._own = own or {}
        self._known: dict[tuple[str, str, int], Rates | None] = {}
        # A faster cache: the attempts of a batch have one time and few models.
        self._last: dict[tuple[str, datetime, int], Rates | None] = {}

    def price(
        self, model: str | None, usage: Usage | None, *, at: datetime, kind: BatchKind
    ) -> tuple[int | None, int | None]:
        """Cost, and cost if synchronous, in nano-dollars.

        Both are None where the model, its price or the usage is unknown.
        """
        if model is None or usage is None:
            return None, None
        rates = self.rates(model, prompt_tokens=prompt_tokens(usage), at=at)
        if rates is None:
            return None, None
        pico = _cost_pico(rates, usage)
        # Halves of a nano-dollar round up; a batch costs half.
        sync = (pico + _PICO_PER_NANO // 2) // _PICO_PER_NANO
        batch = (pico + _PICO_PER_NANO) // (2 * _PICO_PER_NANO)
        return batch if kind == BatchKind.BATCH else sync, sync

    def rates(self, model: str, *, prompt_tokens: int, at: datetime) -> Rates | None:
        """The standard rates for a prompt of that size at that time."""
        step = (prompt_tokens > _STEPS[0]) + (prompt_tokens > _STEPS[1])
        now = (model, at, step)
        found = self._last.get(now)
        if found is None and now not in self._last:
            if len(self._last) > _MOST_LAST:
                self._last.clear()
            key = (model, at.astimezone(UTC).date().isoformat(), step)
            if key not in self._known:
                self._known[key] = self._own_rates(model, at) or _look_up(model, step, at)
            found = self._last[now] = self._known[key]
        return found

    def _own_rates(self, model: str, at: datetime) -> Rates | None:
        day = at.astimezone(UTC).date()
        return own_rates(self._own, model, day) or own_rates(self._own, _DATE.sub("", model), day)


def _cost_pico(rates: Rates, usage: Usage) -> int:
    """The cost of the tokens at the standard price, in pico-dollars."""
    return (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_write_5m_tokens * rates.cache_write_5m
        + usage.cache_write_1h_tokens * rates.cache_write_1h
        + usage.cache_read_tokens * rates.cache_read
    )


def prompt_tokens(usage: Usage) -> int:
    """All tokens that the model read, cached or not."""
    return (
        usage.input_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + usage.cache_read_tokens
    )


def _look_up(model: str, step: int, at: datetime) -> Rates | None:
    from genai_prices import Usage as ListUsage  # noqa: PLC0415 - 0.3 s, only to look prices up
    from genai_prices import calc_price  # noqa: PLC0415 - as above

    reference = _SAME_PRICE.get(_DATE.sub("", model), model)
    prompt = (50_000, 150_000, 500_000)[step]

    def per_token(**kinds: int) -> int:
        usage = ListUsage(input_tokens=prompt, **kinds)
        found = calc_price(usage, reference, provider_id="anthropic", genai_request_timestamp=at)
        price = found.output_price if "output_tokens" in kinds else found.input_price
        tokens = kinds.get("output_tokens", prompt)
        return int(price / tokens * 1_000_000 * _PICO_PER_DOLLAR_PER_MTOK)

    try:
        return Rates(
            input=per_token(),
            output=per_token(output_tokens=1_000_000),
            cache_write_5m=per_token(cache_write_tokens=prompt),
            cache_write_1h=per_token(cache_write_tokens=prompt, cache_write_1h_tokens=prompt),
            cache_read=per_token(cache_read_tokens=prompt),
        )
    except LookupError:
        return None


def dollars(nano: int) -> Decimal:
    """Nano-dollars as exact dollars."""
    return Decimal(nano).scaleb(-9)


def dollars_float(nano: int) -> float:
    """The float nearest to the exact dollars."""
    return nano / _NANO_PER_DOLLAR


def dollars_text(nano: int) -> str:
    """Dollars to the cent; four places below ten cents."""
    amount = dollars(nano)
    exponent = _PARTS if 0 < abs(amount) < Decimal("0.1") else _CENT
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount).quantize(exponent, rounding=ROUND_HALF_UP):,}"


def usd(nano: int | None) -> float | None:
    """Nano-dollars as a JSON number of dollars; None stays None."""
    return None if nano is None else float(dollars(nano))
