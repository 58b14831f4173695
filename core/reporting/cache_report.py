"""What the prompt cache gained or lost, by batch: for `savings --cache` and the console."""

from msgspec import Struct

from core.money.cache_gain import CacheEffect, CacheGain, cache_effect, gain_of_sums, gains
from core.money.pricing import PriceBook, usd
from state.db.reader import Source
from state.queries import cache_usage


class CacheGainReport(Struct, frozen=True, kw_only=True):
    """The cache of one batch, as JSON. `gain_usd` is negative where the cache lost money.

    `batch` is the old name of `batch_id`.
    """

    batch_id: str
    batch: str
    tag: str
    workflow: str
    collected_ts: str
    primed: bool
    answers: int
    tokens_read: int
    tokens_written: int
    hit_rate: float
    cost_usd: float | None
    uncached_usd: float | None
    gain_usd: float | None


def since(source: Source, prices: PriceBook, since_ts: str) -> list[CacheGain]:
    """The batches with cached tokens that were collected since that time, newest first."""
    return gains(cache_usage.since(source, since_ts), prices)


def effect(source: Source, prices: PriceBook, since_day: str) -> CacheEffect:
    """What the cache gained from that UTC day on, to the nano-dollar a batch.

    The daily totals tell it where all answers have one price, otherwise those of the batches.
    """
    found = [
        (one, gain_of_sums(one, prices)) for one in cache_usage.totals_since(source, since_day)
    ]
    mixed = {one.group for one, gain in found if gain is None}
    batches = gains(cache_usage.of_groups(source, mixed), prices) if mixed else []
    sums = [(one, gain) for one, gain in found if gain is not None and one.group not in mixed]
    return cache_effect(batches, sums)


def of_batch(source: Source, prices: PriceBook, key: str) -> CacheGain | None:
    """The cache of one batch; None where it has no cached tokens."""
    return next(iter(gains(cache_usage.of_batches(source, [key]), prices)), None)


def report(found: CacheGain) -> CacheGainReport:
    """One batch as JSON."""
    return CacheGainReport(
        batch_id=found.batch_key,
        batch=found.batch_key,
        tag=found.tag,
        workflow=found.workflow,
        collected_ts=found.collected_ts,
        primed=found.is_primed,
        answers=found.answers,
        tokens_read=found.read_tokens,
        tokens_written=found.written_tokens,
        hit_rate=found.hit_rate,
        cost_usd=usd(found.cost_nano),
        uncached_usd=usd(found.uncached_nano),
        gain_usd=usd(found.gain_nano),
    )
