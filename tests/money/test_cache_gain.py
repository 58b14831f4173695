"""The gain of a cache is the price of the same tokens uncached minus theirs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import Bench

from core.config.titan_tables import parse
from core.intake.recorded_calls import record_sync
from core.money.cache_gain import cache_effect, gains
from core.money.pricing import PriceBook
from core.reporting import cache_report, savings
from state.model.records import BatchKind
from state.model.timestamps import to_text
from state.model.usage import Usage
from state.queries import cache_usage, spending
from state.queries.cache_usage import CacheUse

AT = datetime(2026, 11, 28, tzinfo=UTC)
PRICES = PriceBook()
TOKENS = st.integers(1, 60_000)


def a_use(**fields: object) -> CacheUse:
    plain: dict[str, object] = {
        "batch_key": "tb_1",
        "tag": "t",
        "workflow": "w",
        "lane": "anthropic",
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


def test_a_batch_of_a_lane_gains_at_the_prices_of_the_lane() -> None:
    row = "from = 2026-01-01\ninput = 20\noutput = 1\n"
    rules = parse(f"[lanes.aws]\n[[lanes.aws.prices.claude-sonnet-5-5]]\n{row}")
    prices = PriceBook.of_rules(rules)
    found = gains([a_use(read=1000), a_use(batch_key="tb_2", read=1000, lane="aws")], prices)
    # A read saves nine tenths of the input price, of which a batch costs half.
    assert [one.gain_nano for one in found] == [950_000, 9_000_000]


def test_the_unpriced_tokens_of_the_sum_are_those_of_batches_without_a_gain() -> None:
    found = gains([a_use(read=1_000_000), a_use(batch_key="tb_2", model="gpt-9", read=7)], PRICES)
    total = cache_effect(found)
    assert (total.nano, total.read_tokens, total.unpriced) == (950_000_000, 1_000_007, 7)


_ADVICE = {
    "type": "advisor_message",
    "model": "claude-opus-5-5",
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_input_tokens": 20_000,
    "cache_creation": {"ephemeral_1h_input_tokens": 1_000},
}
# Model, usage, and what the cache gained in nano-dollars at synchronous prices.
_MIXED: list[tuple[str, dict[str, Any], int]] = [
    # $1.90 a million tokens, times 1.1 in the US.
    ("claude-sonnet-5-5", {"inference_geo": "us", "cache_read_input_tokens": 100_000}, 209_000_000),
    # Fast mode doubles the price: $7.60 a million.
    ("claude-opus-5-5", {"speed": "fast", "cache_read_input_tokens": 10_000}, 76_000_000),
    # A prompt above 100,000 tokens: $0.45 a million.
    ("claude-haiku-5-5", {"cache_read_input_tokens": 150_000}, 67_500_000),
    # An advisor at its own model: $3.80 a million read, less $4 a million written.
    ("claude-sonnet-5-5", {"iterations": [_ADVICE]}, 76_000_000 - 4_000_000),
]


def test_the_effect_of_the_month_is_the_sum_of_the_gains_whatever_changes_the_price(
    bench: Bench,
) -> None:
    context = bench.engine.context
    for number, (model, usage, _) in enumerate(_MIXED):
        counts: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5}
        record_sync(context, tag=f"t{number}", model=model, usage=counts | usage, workflow="w")
    found = cache_report.since(context.ledger, context.prices, "")
    assert [one.gain_nano for one in reversed(found)] == [gain for _, _, gain in _MIXED]
    month = savings.read(context.ledger, context.prices, bench.clock.now().date())
    assert month.cache == cache_effect(found)
    assert month.cache.nano == sum(gain for _, _, gain in _MIXED)
    assert (month.cache.read_tokens, month.cache.written_tokens) == (280_000, 1_000)
    # The answers behind the figure, the advisor's too.
    wanted = spending.SumFilter("cached", "", month.since_day)
    behind = spending.batches_in_sum(context.ledger, wanted)
    assert [one.models for one in reversed(behind)] == [(model,) for model, _, _ in _MIXED]


_CACHED = {"input_tokens": 333, "output_tokens": 77, "cache_read_input_tokens": 20_001}


def of_a_day(bench: Bench, *usages: dict[str, Any]) -> None:
    """Recorded calls of one workflow, model and day; of odd token counts, so that costs round."""
    for number, usage in enumerate(usages):
        read = {"cache_read_input_tokens": 20_001 + number}
        record_sync(
            bench.engine.context,
            tag=f"t{number}",
            model="claude-sonnet-5-5",
            usage=_CACHED | read | usage,
            workflow="w",
        )


@pytest.mark.parametrize("geo", ["global", "us"])
def test_the_daily_totals_tell_the_effect_where_all_answers_have_one_price(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, geo: str
) -> None:
    searches = {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}
    of_a_day(bench, *[{"inference_geo": geo, **searches}] * 7)
    context = bench.engine.context
    expected = cache_effect(cache_report.since(context.ledger, context.prices, ""))
    monkeypatch.delattr(cache_usage, "of_groups")
    found = cache_report.effect(context.ledger, context.prices, "2026-11-01")
    assert abs(found.nano - expected.nano) <= 7
    assert (found.read_tokens, found.written_tokens) == (expected.read_tokens, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"inference_geo": "us"},
        {"service_tier": "batch"},
        {"cache_creation": {"ephemeral_1h_input_tokens": 1}, "inference_geo": "us"},
        {"service_tier": "priority"},
        {"iterations": [_ADVICE]},
    ],
)
def test_answers_of_several_prices_are_read(bench: Bench, other: dict[str, Any]) -> None:
    of_a_day(bench, {}, {}, other)
    context = bench.engine.context
    expected = cache_effect(cache_report.since(context.ledger, context.prices, ""))
    assert cache_report.effect(context.ledger, context.prices, "2026-11-01") == expected
    assert expected.read_tokens > 60_000


def test_the_effect_begins_with_its_first_day(bench: Bench) -> None:
    of_a_day(bench, {})
    context = bench.engine.context
    day = bench.clock.now().date()
    assert cache_report.effect(context.ledger, context.prices, str(day)).read_tokens == 20_001
    later = cache_report.effect(context.ledger, context.prices, str(day + timedelta(days=1)))
    assert later == cache_effect([])
