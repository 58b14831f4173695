"""What the prompt cache gained or lost in a batch, from recorded usage. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from core.money.pricing import REGION_PERCENT, PriceBook, Rates, cost_pico, prompt_tokens
from state.model.records import BatchKind
from state.model.timestamps import from_text
from state.model.usage import Tokens
from state.queries.cache_usage import CachedTotals, CacheUse

_PICO_PER_NANO = 1_000
_WHOLE = 100


class CacheGain(Struct, frozen=True, kw_only=True):
    """The cache of one batch. `gain_nano` is the price of the same tokens uncached minus theirs.

    Negative: the cache cost more than it saved. None: a model has no known price.
    """

    batch_key: str
    tag: str
    workflow: str
    collected_ts: str
    is_primed: bool
    answers: int
    read_tokens: int
    written_tokens: int
    cost_nano: int
    gain_nano: int | None

    @property
    def hit_rate(self) -> float:
        """The share of the cached tokens that were read and not written."""
        return self.read_tokens / (self.read_tokens + self.written_tokens)

    @property
    def uncached_nano(self) -> int | None:
        """What the batch would have cost without a cache."""
        return None if self.gain_nano is None else self.cost_nano + self.gain_nano


class CacheEffect(Struct, frozen=True, kw_only=True):
    """Nano-dollars that caching saved (negative: cost) compared with the same tokens uncached.

    `unpriced` cached tokens are of batches whose gain is unknown, and are left out.
    """

    nano: int
    read_tokens: int
    written_tokens: int
    unpriced: int


def cache_effect(
    found: Sequence[CacheGain], sums: Sequence[tuple[CachedTotals, int]] = ()
) -> CacheEffect:
    """The sum of those batches, and of totals with their gains."""
    return CacheEffect(
        nano=sum(one.gain_nano or 0 for one in found) + sum(gain for _, gain in sums),
        read_tokens=sum(one.read_tokens for one in found)
        + sum(one.tokens.cache_read_tokens for one, _ in sums),
        written_tokens=sum(one.written_tokens for one in found)
        + sum(
            one.tokens.cache_write_5m_tokens + one.tokens.cache_write_1h_tokens for one, _ in sums
        ),
        unpriced=sum(
            one.read_tokens + one.written_tokens for one in found if one.gain_nano is None
        ),
    )


def gain_of_sums(found: CachedTotals, prices: PriceBook) -> int | None:
    """What the cache gained in these answers, in nano-dollars.

    None where the sums do not tell it: unless the cost is that of all tokens at one list price and
    in one region, to the rounding of each answer, the answers have several prices, or those of a
    lane.
    """
    count, tokens = found.answers, found.tokens
    at = from_text(f"{found.day}T00:00:00.000Z")
    rates = prices.rates(found.model, prompt_tokens=prompt_tokens(tokens) // max(count, 1), at=at)
    if rates is None or found.unpriced:
        return None
    whole = _PICO_PER_NANO * _WHOLE * (2 if found.kind == BatchKind.BATCH else 1)
    for percent in {*REGION_PERCENT.values()}:
        listed = cost_pico(rates, tokens) * percent
        if 2 * abs((found.cost_nano - found.fee_nano) * whole - listed) <= (count + 1) * whole:
            return _gained(rates, tokens) * percent // whole
    return None


def gains(used: Iterable[CacheUse], prices: PriceBook) -> list[CacheGain]:
    """One for each batch that wrote or read a cache, in the order of the rows."""
    return [_gain(list(rows), prices) for _, rows in groupby(used, key=lambda use: use.batch_key)]


def _gain(rows: list[CacheUse], prices: PriceBook) -> CacheGain:
    first = rows[0]
    picos = [_pico(row, prices) for row in rows]
    known = [pico for pico in picos if pico is not None]
    return CacheGain(
        batch_key=first.batch_key,
        tag=first.tag,
        workflow=first.workflow,
        collected_ts=first.collected_ts,
        is_primed=first.is_primed,
        answers=sum(row.answers for row in rows),
        read_tokens=sum(row.read for row in rows),
        written_tokens=sum(row.written_5m + row.written_1h for row in rows),
        cost_nano=first.cost_nano,
        gain_nano=sum(known) // _PICO_PER_NANO if len(known) == len(picos) else None,
    )


def _pico(row: CacheUse, prices: PriceBook) -> int | None:
    """In pico-dollars: what reads saved minus what writes cost more than plain input."""
    rates = prices.of(row.lane).rates(
        row.model,
        prompt_tokens=row.prompt_tokens,
        at=from_text(row.priced_ts),
        fast=row.speed == "fast",
    )
    percent = REGION_PERCENT.get(row.inference_geo)
    if rates is None or percent is None:
        return None
    cached = Tokens(
        cache_write_5m_tokens=row.written_5m,
        cache_write_1h_tokens=row.written_1h,
        cache_read_tokens=row.read,
    )
    gained = _gained(rates, cached)
    is_half = row.kind == BatchKind.BATCH or row.service_tier == "batch"
    return gained * percent // (2 * _WHOLE if is_half else _WHOLE)


def _gained(rates: Rates, cached: Tokens) -> int:
    """What reads saved minus what writes cost more than plain input, in pico-dollars."""
    return (
        cached.cache_read_tokens * (rates.input - rates.cache_read)
        - cached.cache_write_5m_tokens * (rates.cache_write_5m - rates.input)
        - cached.cache_write_1h_tokens * (rates.cache_write_1h - rates.input)
    )
