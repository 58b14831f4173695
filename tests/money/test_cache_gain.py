"""The gain of a cache is the price of the same tokens uncached minus theirs."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money.cache_gain import gains
from core.money.pricing import PriceBook
from state.model.records import BatchKind
from state.model.timestamps import to_text
from state.model.usage import Usage
from state.queries.cache_usage import CacheUse

AT = datetime(2026, 11, 28, tzinfo=UTC)
PRICES = PriceBook()
TOKENS = st.integers(1, 60_000)


def a_use(**fields: object) -> CacheUse:
    plain: dict[str, object] = {
        "batch_key": "tb_1",
        "tag": "t",
        "workflow": "w",
        "kind": BatchKind.BATCH,
        "collected_ts": to_text(AT),
        "priced_ts": to_text(AT),
        "cost_nano": 0,
        "is_primed": True,
        "model": "claude-sonnet-5-5",
        "inference_geo": None,
        "service_tier": "batch",
        "speed": None,
        "prompt_tokens": 0,
        "answers": 1,
        "written_5m": 0,
        "written_1h": 0,
        "read": 1,
    }
    return CacheUse(**{**plain, **fields})  # pyright: ignore[reportArgumentType]


@given(
    model=st.sampled_from(["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"]),
    geo=st.sampled_from([None, "us", "global"]),
    kind=st.sampled_from(list(BatchKind)),
    plain=TOKENS,
    hour=TOKENS,
    short=TOKENS,
    read=TOKENS,
)
def test_it_is_the_difference_of_both_prices(
    model: str, geo: str | None, kind: BatchKind, plain: int, hour: int, short: int, read: int
) -> None:
    prompt = plain + hour + short + read
    cached = Usage(
        input_tokens=plain,
        cache_write_1h_tokens=hour,
        cache_write_5m_tokens=short,
        cache_read_tokens=read,
        inference_geo=geo,
    )
    uncached = Usage(input_tokens=prompt, inference_geo=geo)
    cost, _ = PRICES.price(model, cached, at=AT, kind=kind)
    without, _ = PRICES.price(model, uncached, at=AT, kind=kind)
    assert cost is not None
    assert without is not None
    use = a_use(
        kind=kind,
        model=model,
        inference_geo=geo,
        service_tier=None,
        prompt_tokens=prompt,
        cost_nano=cost,
        written_5m=short,
        written_1h=hour,
        read=read,
    )
    [found] = gains([use], PRICES)
    assert found.uncached_nano == pytest.approx(without, abs=2)


def test_the_groups_of_a_batch_are_added_and_an_unknown_price_hides_the_gain() -> None:
    parts = [a_use(read=1_000_000, answers=2), a_use(written_1h=1_000_000, read=0)]
    [found] = gains(parts, PRICES)
    # In a batch a read saves $0.95 a million, a write costs $1 more.
    assert (found.gain_nano, found.hit_rate, found.answers) == (-50_000_000, 0.5, 3)
    for odd in ({"model": "unknown-1"}, {"inference_geo": "mars"}):
        [found] = gains([*parts, a_use(**odd)], PRICES)
        assert (found.gain_nano, found.uncached_nano) == (None, None)
