"""Every listed price is pinned to the published table, in batch and synchronous."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from core.money.pricing import Charge, PriceBook, dollars, dollars_float
from state.model.records import BatchKind
from state.model.usage import Iteration, Usage

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
BOOK = PriceBook()
KINDS: tuple[str, ...] = (
    "input_tokens",
    "output_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
)
# Dollars a million tokens: input, output, 5-minute write, 1-hour write, read.
PUBLISHED = {
    "claude-fable-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-mythos-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-fable-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-mythos-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-fable-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-mythos-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-opus-5-5": ("4", "20", "5", "8", "0.20"),
    "claude-opus-5": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-8": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-7": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-6": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-5": ("5", "25", "6.25", "10", "0.50"),
    "claude-sonnet-5-5": ("2", "10", "2.5", "4", "0.10"),
    "claude-sonnet-5": ("2", "10", "2.5", "4", "0.20"),
    "claude-sonnet-4-6": ("3", "15", "3.75", "6", "0.30"),
    "claude-sonnet-4-5": ("3", "15", "3.75", "6", "0.30"),
    "claude-haiku-5-5": ("0.10", "0.50", "0.125", "0.20", "0.01"),
    "claude-haiku-4-5": ("1", "5", "1.25", "2", "0.10"),
}
HAIKU_OVER_THE_STEP = ("0.50", "2.50", "0.625", "1", "0.05")
DATED = {
    "claude-haiku-4-5-20251001": "claude-haiku-4-5",
    "claude-sonnet-4-5-20250929": "claude-sonnet-4-5",
    "claude-opus-4-5-20251101": "claude-opus-4-5",
    "claude-mythos-5-20260402": "claude-mythos-5",
    "claude-mythos-5-1-20260801": "claude-mythos-5-1",
}
TOKENS = st.integers(0, 3_000_000)
USAGES = st.tuples(*[TOKENS] * len(KINDS)).map(lambda t: of_kinds(dict(zip(KINDS, t, strict=True))))


def of_kinds(tokens: Mapping[str, Any]) -> Usage:
    return Usage(**tokens)


def nano(dollars_a_million: str, tokens: int) -> int:
    return int(Decimal(dollars_a_million) * tokens * 1000)


@pytest.mark.parametrize("model", [*PUBLISHED, *DATED])
def test_every_row_of_the_published_table_is_billed_so(model: str) -> None:
    row = PUBLISHED[DATED.get(model, model)]
    for kind, price in zip(KINDS, row, strict=True):
        usage = of_kinds({kind: 10_000})
        full = nano(price, 10_000)
        assert BOOK.price(model, usage, at=AT, kind=BatchKind.SYNC) == (full, full)
        assert BOOK.price(model, usage, at=AT, kind=BatchKind.BATCH) == (full // 2, full)


@pytest.mark.parametrize("beyond", ["input_tokens", "cache_write_1h_tokens", "cache_read_tokens"])
def test_haiku_5_5_costs_more_for_all_tokens_of_a_prompt_over_100k(beyond: str) -> None:
    at_the_step = BOOK.rates("claude-haiku-5-5", prompt_tokens=100_000, at=AT)
    assert at_the_step is not None
    assert at_the_step.output == 500_000
    prices: dict[str, str] = dict(zip(KINDS, HAIKU_OVER_THE_STEP, strict=True))
    usage = of_kinds({beyond: 100_001, "output_tokens": 1_000})
    expected = nano(prices[beyond], 100_001) + nano(prices["output_tokens"], 1_000)
    assert BOOK.price("claude-haiku-5-5", usage, at=AT, kind=BatchKind.SYNC)[1] == expected


@pytest.mark.parametrize("model", ["claude-unknown-9", "gpt-5", "", "claude-opus-9", "\x00"])
def test_a_model_without_a_price_has_none_and_never_zero(model: str) -> None:
    assert BOOK.price(model, Usage(input_tokens=1), at=AT, kind=BatchKind.BATCH) == (None, None)


@given(usage=USAGES, model=st.sampled_from(sorted(PUBLISHED)))
def test_a_batch_costs_half_and_saves_the_other_half(usage: Usage, model: str) -> None:
    cost, sync = BOOK.price(model, usage, at=AT, kind=BatchKind.BATCH)
    assert cost is not None
    assert sync is not None
    assert 0 <= sync - cost <= cost + 1
    assert abs(2 * cost - sync) <= 1
    assert BOOK.price(model, usage, at=AT, kind=BatchKind.SYNC) == (sync, sync)


@given(usages=st.lists(USAGES, max_size=5), seed=st.randoms(use_true_random=False))
def test_a_sum_does_not_depend_on_the_order_nor_on_what_was_asked_before(
    usages: list[Usage], seed: Random
) -> None:
    def total(order: list[Usage], book: PriceBook) -> int:
        prices = [book.price("claude-haiku-5-5", u, at=AT, kind=BatchKind.BATCH)[0] for u in order]
        return sum(price for price in prices if price is not None)

    shuffled = list(usages)
    seed.shuffle(shuffled)
    assert total(usages, BOOK) == total(shuffled, BOOK)


def test_halves_of_a_nano_dollar_are_rounded_up() -> None:
    # One cached token of Haiku 5.5 is 10 nano-dollars, three in batch are 15, one is 5.
    assert BOOK.price(
        "claude-haiku-5-5", Usage(cache_read_tokens=1), at=AT, kind=BatchKind.BATCH
    ) == (
        5,
        10,
    )
    odd = Usage(cache_write_5m_tokens=1)
    assert BOOK.price("claude-haiku-5-5", odd, at=AT, kind=BatchKind.BATCH) == (63, 125)


def test_nano_dollars_are_exact_dollars() -> None:
    assert dollars(1) == Decimal("0.000000001")
    assert dollars(10**18 + 1) == Decimal("1000000000.000000001")


@given(st.integers(min_value=0, max_value=10**15))
def test_dollars_as_a_float_are_the_nearest_to_the_exact_ones(nano: int) -> None:
    assert dollars_float(nano) == float(dollars(nano))


def charge(
    usage: Usage, kind: BatchKind = BatchKind.BATCH, model: str = "claude-sonnet-5-5"
) -> Charge:
    return BOOK.charge(model, usage, at=AT, kind=kind)


def test_the_example_of_searches_and_us_inference_is_billed_to_the_cent() -> None:
    row = Usage(input_tokens=20_000, output_tokens=2_000, web_searches=5, inference_geo="us")
    found = charge(row)
    assert dollars(100 * (found.cost_nano or 0)) == Decimal("8.30")
    assert dollars(100 * found.fee_nano) == Decimal("5.00")
    assert dollars(100 * (found.sync_cost_nano or 0)) == Decimal("11.60")
    assert charge(row, BatchKind.SYNC).cost_nano == found.sync_cost_nano


@pytest.mark.parametrize(
    ("region", "percent"), [("global", 100), ("not_available", 100), (None, 100), ("us", 110)]
)
def test_a_region_multiplies_every_token_and_no_fee(region: str | None, percent: int) -> None:
    for kind in KINDS:
        tokens = {kind: 10_000}
        plain = charge(of_kinds(tokens)).cost_nano or 0
        billed = structs.replace(of_kinds(tokens), inference_geo=region, web_searches=1)
        found = charge(billed)
        assert found.cost_nano == plain * percent // 100 + 10_000_000


def test_the_tenth_for_the_region_is_rounded_once() -> None:
    usage = Usage(cache_read_tokens=1, inference_geo="us")
    # 10 nano-dollars times 1.1 are 11, half of it 5.5.
    assert charge(usage, model="claude-haiku-5-5").cost_nano == 6


def test_compaction_costs_as_its_answer_and_an_advisor_as_its_own_model() -> None:
    compaction = Iteration(type="compaction", input_tokens=1_000_000)
    advisor = Iteration(type="advisor_message", model="claude-opus-5-5", output_tokens=1_000_000)
    found = charge(Usage(iterations=(compaction, advisor)), BatchKind.SYNC)
    assert found.cost_nano == nano("2", 1_000_000) + nano("20", 1_000_000)
    half = charge(Usage(iterations=(compaction, advisor), inference_geo="us"))
    assert half.cost_nano == (found.cost_nano or 0) * 110 // 200


@pytest.mark.parametrize(
    ("model", "price"),
    [("claude-opus-5-5", "40"), ("claude-fable-5-2", "80"), ("claude-opus-4-8", "50")],
)
def test_fast_mode_costs_twice_where_the_model_has_it(model: str, price: str) -> None:
    usage = Usage(output_tokens=1_000, speed="fast", service_tier="standard")
    assert charge(usage, BatchKind.SYNC, model).cost_nano == nano(price, 1_000)
    assert charge(usage, BatchKind.SYNC, "claude-haiku-4-5").unpriced == (
        "no known price for model claude-haiku-4-5 in fast mode"
    )


def test_a_recorded_answer_of_a_batch_costs_half() -> None:
    usage = Usage(output_tokens=1_000, service_tier="batch")
    found = charge(usage, BatchKind.SYNC)
    assert (found.cost_nano, found.sync_cost_nano) == (5_000_000, 10_000_000)


@pytest.mark.parametrize(
    ("usage", "kind", "named"),
    [
        (Usage(inference_geo="eu"), BatchKind.BATCH, "unknown region 'eu'"),
        (Usage(inference_geo=""), BatchKind.SYNC, "unknown region ''"),
        (Usage(service_tier="priority"), BatchKind.SYNC, "service_tier 'priority'"),
        (Usage(service_tier="standard"), BatchKind.BATCH, "service_tier 'standard'"),
        (Usage(service_tier="flex"), BatchKind.BATCH, "service_tier 'flex'"),
        (Usage(speed="fast"), BatchKind.BATCH, "speed 'fast'"),
        (Usage(speed="fast", service_tier="batch"), BatchKind.SYNC, "speed 'fast'"),
        (Usage(speed="turbo"), BatchKind.SYNC, "speed 'turbo'"),
        (Usage(unknown="usage: unknown field x"), BatchKind.BATCH, "usage: unknown field x"),
        (
            Usage(iterations=(Iteration(type="advisor_message", model="claude-new-9"),)),
            BatchKind.BATCH,
            "no known price for model claude-new-9",
        ),
    ],
)
def test_what_has_no_known_price_is_named_and_never_billed_as_standard(
    usage: Usage, kind: BatchKind, named: str
) -> None:
    found = charge(usage, kind)
    assert (found.cost_nano, found.sync_cost_nano, found.fee_nano) == (None, None, 0)
    assert named in (found.unpriced or "")
