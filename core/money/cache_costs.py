"""What requests with common prefixes cost without a cache, with cache marks, and primed. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

from core.money.estimate import MOST_PERCENT, MeanCost
from core.money.pricing import REGION_PERCENT, PriceBook, Rates, usd
from core.requests.common_prefix import Prefix

_PICO_PER_NANO = 1_000
_WHOLE = 100


class CacheCosts(Struct, frozen=True, kw_only=True):
    """The maximum cost of the requests in batches: without a cache, with marks alone, and primed.

    Nano-dollars. `cold`: every request writes the cache. `primed`: all but the first read it, and
    that, too, where the cache is written already.
    """

    uncached_nano: int
    cold_nano: int
    primed_nano: int


class CacheCostsReport(Struct, frozen=True, kw_only=True):
    """The three costs as JSON."""

    uncached_usd: float | None
    cold_usd: float | None
    primed_usd: float | None


def report(found: CacheCosts | None) -> CacheCostsReport | None:
    """The costs as JSON."""
    return found and CacheCostsReport(
        uncached_usd=usd(found.uncached_nano),
        cold_usd=usd(found.cold_nano),
        primed_usd=usd(found.primed_nano),
    )


def costs(
    prefixes: Iterable[Prefix],
    uncached_nano: int,
    prices: PriceBook,
    at: datetime,
    *,
    written: Collection[Prefix] = (),
) -> CacheCosts | None:
    """The three costs; None where a model has no known price. `written` are in the cache already.

    As in the estimate of what is uncached, a byte is a token at most, and the region one with the
    highest price unless the requests name another.
    """
    cold = primed = 0
    for prefix in prefixes:
        rates = prices.rates(prefix.model, prompt_tokens=prefix.bytes, at=at)
        if rates is None:
            return None
        percent = REGION_PERCENT["global"] if prefix.is_global else MOST_PERCENT
        tokens = prefix.bytes * percent
        cold += tokens * prefix.requests * (rates.cache_write_1h - rates.input)
        primed += tokens * _primed(prefix, rates, is_written=prefix in written)
    # A batch costs half.
    half = 2 * _PICO_PER_NANO * _WHOLE
    return CacheCosts(
        uncached_nano=uncached_nano,
        cold_nano=uncached_nano + cold // half,
        primed_nano=uncached_nano + primed // half,
    )


def expected_change(
    prefix: Prefix,
    mean: MeanCost | None,
    rates: Rates | None,
    *,
    requests: int,
    tokens_in: int,
    is_written: bool = False,
) -> int:
    """What priming is expected to add to the cost in batches, in nano-dollars; negative as a rule.

    `requests` of the model have prompts of at most `tokens_in` together. Of what these cost so far,
    the prefix has its share of the bytes. Nothing is expected without answers or a price.
    """
    if mean is None or mean.prompt_nano is None or rates is None or not rates.input:
        return 0
    size = max(tokens_in, prefix.bytes * prefix.requests)
    cost = mean.prompt_nano * requests * prefix.bytes // size
    return cost * _primed(prefix, rates, is_written=is_written) // rates.input


def _primed(prefix: Prefix, rates: Rates, *, is_written: bool) -> int:
    """What priming adds to the price of a token of the prefix, over all of its requests."""
    read = rates.input - rates.cache_read
    if is_written:
        return -prefix.requests * read
    return (rates.cache_write_1h - rates.input) - (prefix.requests - 1) * read
