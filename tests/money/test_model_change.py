"""What jobs would cost on another model, by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.config.titan_file import template
from core.config.titan_tables import parse
from core.errors import TitanTomlError
from core.money.forecast import Measured, cents, forecast
from core.money.model_change import compare, report, sums
from core.money.pricing import PriceBook

AT = datetime(2026, 11, 22, tzinfo=UTC)
PRICES = PriceBook()
TODAY = parse(template())
HAIKU = "claude-haiku-4-5"
# 25,000 in and 8,000 out, 30 times: 0.75M in, 0.24M out; half of $3/$15, then of $1/$5.
FEED = (Decimal("2.925"), Decimal("0.975"))


def test_one_job_on_another_model() -> None:
    (found,) = compare(TODAY, PRICES, HAIKU, at=AT, job="titan-daily-feed")
    assert (found.tokens_in, found.tokens_out) == (750_000, 240_000)
    assert (found.usd, found.other_usd) == FEED


def test_all_jobs_together_cost_what_the_forecast_says() -> None:
    found = compare(TODAY, PRICES, HAIKU, at=AT)
    now, other = sums(found)
    assert cents(now) == cents(forecast(TODAY, PRICES, at=AT).total.batch_usd)
    assert cents(other) == cents(now / 3)
    assert report(found, HAIKU, at=AT).other_usd == float(other)


def test_json_has_exact_dollars_and_the_retirement_of_the_model() -> None:
    found = compare(TODAY, PRICES, HAIKU, at=AT, job="titan-daily-feed")
    printed = report(found, HAIKU, at=AT)
    assert [(one.usd, one.other_usd) for one in printed.jobs] == [(2.925, 0.975)]
    assert (printed.usd, printed.other_usd, printed.warnings) == (2.925, 0.975, [])
    retiring = "claude-sonnet-4-5"
    (warning,) = report(compare(TODAY, PRICES, retiring, at=AT), retiring, at=AT).warnings
    assert "2026-11-30, in 8 days" in warning


def test_a_job_without_planned_tokens_uses_the_measured_ones() -> None:
    name = "titan-design-audit-quarterly"
    measured = {
        name: Measured(
            tokens_in=2_000_000,
            tokens_out=1_000_000,
            cost_nano=0,
            sync_cost_nano=0,
            unpriced=0,
            first_day="2026-11-01",
        )
    }
    (unknown,) = compare(TODAY, PRICES, HAIKU, at=AT, job=name)
    assert (unknown.tokens_in, unknown.usd, unknown.other_usd) == (None, None, None)
    (found,) = compare(TODAY, PRICES, HAIKU, at=AT, job=name, measured=measured)
    assert found.other_usd == Decimal("3.5")


def test_a_model_without_a_price_is_named() -> None:
    with pytest.raises(TitanTomlError, match="'claude-next-9' has no price") as caught:
        compare(TODAY, PRICES, "claude-next-9", at=AT, job="titan-daily-feed")
    assert caught.value.code == "model_without_price"
