"""What a primed submission would cost, in the plan."""

from datetime import UTC, datetime

from core.money.cache_costs import costs
from core.money.pricing import PriceBook
from core.requests.common_prefix import Prefix

AT = datetime(2026, 11, 28, tzinfo=UTC)


def a_prefix(model: str = "claude-sonnet-5-5", *, is_global: bool = True) -> Prefix:
    return Prefix(
        head="h",
        blocks=1,
        position=1,
        requests=25,
        bytes=11_400,
        model=model,
        is_global=is_global,
    )


def test_the_three_costs_of_25_rows_of_one_prefix() -> None:
    """Per million tokens in a batch: input $1, one-hour write $2, read $0.05."""
    found = costs([a_prefix()], 400_000_000, PriceBook(), AT)
    assert found is not None
    # 25 x 11,400 x ($2 - $1); 11,400 x ($2 - $1) - 24 x 11,400 x ($1 - $0.05).
    assert found.uncached_nano == 400_000_000
    assert found.cold_nano == 400_000_000 + 285_000_000
    assert found.primed_nano == 400_000_000 + 11_400_000 - 259_920_000


def test_the_region_counts_as_in_the_cost_at_most() -> None:
    found = costs([a_prefix(is_global=False)], 440_000_000, PriceBook(), AT)
    assert found is not None
    assert found.cold_nano == 440_000_000 + 313_500_000
    assert found.primed_nano == 440_000_000 + 12_540_000 - 285_912_000


def test_a_model_without_a_price_has_no_costs() -> None:
    assert costs([a_prefix("unknown-1")], 1, PriceBook(), AT) is None
