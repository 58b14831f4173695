"""The standard prices of genai-prices, kept on disk: that package takes 0.3 s to load."""

import re
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from core.config.money_settings import Rates
from state.files.package_cache import PackageCache

# Prompt sizes at which a price may change; looked up between these steps.
STEPS = (100_000, 200_000)
# Models that the price list lacks, and the model whose prices apply to them.
_SAME_PRICE = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}
_DATE = re.compile(r"-\d{8}$")
_PICO_PER_DOLLAR_PER_MTOK = 1_000_000
# Of how this module reads the list; changed with it.
_VERSION = "1"
_MOST_KEPT = 200


class PriceList:
    """Looks rates up in the cache, and in the package for those that it lacks."""

    def __init__(self, cache: PackageCache | None = None) -> None:
        """Without a cache, each process loads the package."""
        self._cache = cache
        self._rates: dict[str, Rates] | None = None

    def rates(self, model: str, step: int, at: datetime, *, fast: bool) -> Rates | None:
        """The rates on that UTC day for prompts of that step; None where the list has none.

        In fast mode also where the list has no price of it for the model.
        """
        if self._rates is None:
            self._rates = _read(self._cache)
        key = f"{model} {at.astimezone(UTC).date()} {step}{' fast' if fast else ''}"
        if key in self._rates:
            return self._rates[key]
        found = _listed(model, step, at, fast=fast)
        if found is not None and len(self._rates) < _MOST_KEPT:
            self._rates[key] = found
            if self._cache is not None:
                self._cache.write(msgspec.json.encode({_VERSION: self._rates}))
        return found


def _read(cache: PackageCache | None) -> dict[str, Rates]:
    content = cache.read() if cache is not None else b""
    with suppress(msgspec.MsgspecError, RecursionError):
        found = msgspec.json.decode(content, type=dict[str, dict[str, Rates]])
        kept = found.get(_VERSION, {})
        # A full one is left: most of its days are over.
        return kept if len(kept) < _MOST_KEPT else {}
    return {}


def _listed(model: str, step: int, at: datetime, *, fast: bool) -> Rates | None:
    """The rates of the price list; None also where it has no fast mode for the model."""
    standard = _list_rates(model, step, at, {})
    if not fast or standard is None:
        return standard
    found = _list_rates(model, step, at, {"speed": "fast"})
    # The list gives the standard price for a mode that it does not know.
    return None if found == standard else found


def _list_rates(model: str, step: int, at: datetime, context: dict[str, str]) -> Rates | None:
    from genai_prices import Usage as ListUsage  # noqa: PLC0415 - only if it is needed
    from genai_prices import calc_price  # noqa: PLC0415 - as above

    reference = _SAME_PRICE.get(_DATE.sub("", model), model)
    prompt = (50_000, 150_000, 500_000)[step]

    def per_token(**kinds: int) -> int:
        found = calc_price(
            ListUsage(input_tokens=prompt, **kinds),
            reference,
            provider_id="anthropic",
            genai_request_timestamp=at,
            price_context=context,
        )
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
