"""The forecast of the template, to the cent."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from core.config.titan_file import template
from core.config.titan_tables import parse
from core.errors import TitanTomlError
from core.money.forecast import Cache, Measured, cents, forecast, report
from core.money.model_change import compare
from core.money.pricing import PriceBook

AT = datetime(2026, 11, 22, tzinfo=UTC)
PRICES = PriceBook()
TODAY = parse(template())


def at_scale(scale: int = 1) -> dict[str, tuple[int, int, str, str]]:
    found = forecast(TODAY, PRICES, at=AT, scale=Decimal(scale))
    return {
        line.workload: (
            line.tokens_in,
            line.tokens_out,
            str(cents(line.sync_usd)),
            str(cents(line.batch_usd)),
        )
        for line in (*found.rows, found.total)
    }


def test_a_month_at_todays_volume() -> None:
    assert at_scale() == {
        "tier-1": (2_430_000, 570_000, "15.84", "7.92"),
        "tier-2": (10_610_000, 2_090_000, "63.18", "31.59"),
        "tier-3": (3_000_000, 500_000, "16.50", "8.25"),
        "real-time": (5_000_000, 1_000_000, "30.00", "30.00"),
        "total": (21_040_000, 4_160_000, "125.52", "77.76"),
    }


def test_a_month_at_five_times_that() -> None:
    assert at_scale(5)["tier-1"] == (12_150_000, 2_850_000, "79.20", "39.60")
    assert at_scale(5)["total"] == (105_200_000, 20_800_000, "627.60", "388.80")


def test_the_owners_rounded_figures_are_included() -> None:
    rounded = {line.workload: line.planned for line in forecast(TODAY, PRICES, at=AT).rows}
    assert rounded["tier-2"] == {
        "tokens_in": 12_000_000,
        "tokens_out": 3_000_000,
        "sync_usd": 80,
        "batch_usd": 40,
    }


PLANNED = {
    "tokens_in": 22_430_000,
    "tokens_out": 5_070_000,
    "sync_usd": 140.84,
    "batch_usd": 85.42,
}


def test_the_contract_of_the_json() -> None:
    printed = to_builtins(report(forecast(TODAY, PRICES, at=AT)))
    assert printed["scale"] == 1
    keys = {"workload", "tokens_in", "tokens_out", "sync_usd", "batch_usd"}
    assert keys <= set(printed["rows"][0])
    assert printed["total"] == {
        "workload": "total",
        "tokens_in": 21_040_000,
        "tokens_out": 4_160_000,
        "sync_usd": 125.52,
        "batch_usd": 77.76,
        "planned": PLANNED,
        "rounded": PLANNED,
        "measured": None,
    }


def test_a_cache_is_read_at_a_tenth_and_written_at_double() -> None:
    """2.43M in, half of it in a cache that holds 90 %: 7.29 x (0.5 + 0.5 x (0.09 + 0.2))."""
    line = forecast(
        TODAY, PRICES, at=AT, cache=Cache(share=Decimal("0.5"), hits=Decimal("0.9"))
    ).rows[0]
    expected = (Decimal("7.29") * Decimal("0.645") + Decimal("8.55")) / 2
    assert line.cached_usd == expected
    none = forecast(TODAY, PRICES, at=AT, cache=Cache(share=Decimal(0), hits=Decimal("0.9"))).rows[
        0
    ]
    assert none.cached_usd == none.batch_usd


def test_measured_usage_is_shown_beside_the_plan() -> None:
    history = {
        "titan-daily-feed": _measured(100, 10),
        "titan-daily-monologue": _measured(5, 1),
        "a-stranger": _measured(7, 7),
    }
    found = forecast(TODAY, PRICES, at=AT, measured=history)
    assert found.rows[0].measured == _measured(105, 11, parts=2)
    assert found.rows[1].measured is None
    assert found.total.measured == _measured(112, 18, parts=3)
    assert found.elsewhere == _measured(7, 7)


def _measured(tokens_in: int, tokens_out: int, parts: int = 1) -> Measured:
    return Measured(
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_nano=5 * parts,
        sync_cost_nano=10 * parts,
        unpriced=0,
        first_day="2026-11-01",
    )


def test_a_model_without_a_price_is_named() -> None:
    text = template().replace('model = "claude-sonnet-4-6"', 'model = "claude-next-9"')
    with pytest.raises(TitanTomlError, match="'claude-next-9' has no price"):
        forecast(parse(text), PRICES, at=AT)


def test_the_job_of_a_model_without_a_price_is_named() -> None:
    job = "[jobs.titan-daily-feed]\n"
    before, after = template().split(job)
    after = re.sub('model = ".*"', 'model = "claude-next-9"', after, count=1)
    with pytest.raises(TitanTomlError, match=r"job titan-daily-feed: .*'claude-next-9'") as caught:
        forecast(parse(before + job + after), PRICES, at=AT)
    assert caught.value.code == "model_without_price"


def test_a_job_has_the_prices_of_its_lane() -> None:
    lane = (
        "[lanes.aws]\nkind = 'aws'\n[[lanes.aws.prices.claude-sonnet-4-6]]\n"
        "from = 2026-01-01\ninput = 30\noutput = 150\n[jobs.titan-daily-feed]\nlane = 'aws'\n"
    )
    rules = parse(template().replace("[jobs.titan-daily-feed]\n", lane))
    assert rules.problems == ()
    prices = PriceBook.of_rules(rules)
    before = forecast(TODAY, PRICES, at=AT).total.batch_usd
    # 0.75M in and 0.24M out at half of $3 and $15 cost $2.925.
    assert forecast(rules, prices, at=AT).total.batch_usd == before + 9 * Decimal("2.925")
    (moved,) = compare(rules, prices, "claude-haiku-4-5", at=AT, job="titan-daily-feed")
    assert (moved.usd, moved.other_usd) == (Decimal("29.25"), Decimal("0.975"))


@given(scale=st.integers(0, 1000), other=st.integers(0, 1000))
def test_cost_is_linear_in_volume(scale: int, other: int) -> None:
    def total(by: int) -> Decimal:
        return forecast(TODAY, PRICES, at=AT, scale=Decimal(by)).total.batch_usd

    assert total(scale) + total(other) == total(scale + other)


@given(order=st.permutations(sorted(TODAY.jobs)))
def test_the_order_of_the_jobs_does_not_matter(order: list[str]) -> None:
    from msgspec.structs import replace  # noqa: PLC0415 - beside its use

    shuffled = replace(TODAY, jobs={name: TODAY.jobs[name] for name in order})
    assert forecast(shuffled, PRICES, at=AT).total == forecast(TODAY, PRICES, at=AT).total
