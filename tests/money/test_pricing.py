"""Every listed price is pinned to the published table, in batch and synchronous."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money.pricing import PriceBook, dollars, dollars_float
from state.model.records import BatchKind, Usage

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


def of_kinds(tokens: Mapping[str, int]) -> Usage:
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
