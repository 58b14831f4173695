"""`[[prices.MODEL]]`: dated, overrides the built-in list, and checked."""

from datetime import UTC, datetime

import pytest

from core.config.titan_tables import parse
from core.money.pricing import Charge, PriceBook
from state.model.records import BatchKind, Usage

TEXT = """
[[prices.claude-next-9]]
from = 2026-11-01
input = 3
output = 15.5
[[prices.claude-next-9]]
from = 2026-11-10
input = 2
output = 10
cache_read = 0.05
[prices.claude-haiku-4-5]
from = 2026-01-01
input = 7
output = 7
"""
ONE = Usage(input_tokens=1_000_000)


def price(model: str, day: int, usage: Usage = ONE) -> int | None:
    book = PriceBook(parse(TEXT).prices)
    return book.price(model, usage, at=datetime(2026, 11, day, tzinfo=UTC), kind=BatchKind.SYNC)[1]


def test_a_price_holds_from_its_day_on() -> None:
    assert parse(TEXT).problems == ()
    assert price("claude-next-9", 9) == 3_000_000_000
    assert price("claude-next-9", 10) == 2_000_000_000
    assert price("claude-next-9-20261101", 30) == 2_000_000_000
    assert price("claude-haiku-4-5-20251001", 1) == 7_000_000_000


def test_a_row_of_a_dated_name_holds_for_the_name_without_date() -> None:
    """Requests name the one, answers the other: both have the same price."""
    row = "from = 2026-11-01\ninput = {}\noutput = 1\n"
    names = ("claude-next-9-20251101", "claude-next-9-20260301")
    text = "".join(f"[[prices.{name}]]\n{row.format(n)}" for n, name in enumerate(names, 1))

    def first(text: str, model: str) -> int | None:
        at = datetime(2026, 11, 2, tzinfo=UTC)
        return PriceBook(parse(text).prices).price(model, ONE, at=at, kind=BatchKind.SYNC)[1]

    assert first(text, "claude-next-9") == first(text, names[1]) == 2_000_000_000
    assert first(text, names[0]) == 1_000_000_000
    assert first(text, "claude-next-9-20260701") is None
    text += f"[[prices.claude-next-9]]\n{row.format(3)}"
    assert first(text, "claude-next-9") == first(text, "claude-next-9-20260701") == 3_000_000_000


def test_two_rows_of_one_day_are_a_problem() -> None:
    row = "[[prices.x]]\nfrom = 2026-01-01\ninput = {}\noutput = 1\n"
    found = parse(row.format(3) + row.format(30) + row.format(4).replace("-01-01", "-02-01"))
    (problem,) = found.problems
    assert (problem.code, problem.path) == ("repeated_price", ("prices", "x", "from"))
    assert "two rows begin on 2026-01-01" in str(problem)
    assert found.limit_problems == [problem]


def test_before_its_first_day_the_list_answers() -> None:
    book = PriceBook(parse(TEXT).prices)
    assert (
        book.price(
            "claude-next-9", ONE, at=datetime(2026, 10, 31, tzinfo=UTC), kind=BatchKind.SYNC
        )[1]
        is None
    )


def test_cache_prices_have_defaults() -> None:
    assert price("claude-next-9", 10, Usage(cache_read_tokens=1_000_000)) == 50_000_000
    assert price("claude-next-9", 9, Usage(cache_read_tokens=1_000_000)) == 300_000_000
    assert price("claude-next-9", 9, Usage(cache_write_1h_tokens=1_000_000)) == 6_000_000_000
    assert price("claude-next-9", 9, Usage(cache_write_5m_tokens=1_000_000)) == 3_750_000_000


@pytest.mark.parametrize(
    ("row", "code", "key"),
    [
        ("from = 2026-01-01\ninput = 1", "key_missing", "output"),
        ("input = 1\noutput = 1", "key_missing", "from"),
        ("from = 'May'\ninput = 1\noutput = 1", "invalid_value", "from"),
        ("from = '2026-01-01'\ninput = 1\noutput = 1", "invalid_value", "from"),
        ("from = 2026-01-01\ninput = -1\noutput = 1", "invalid_value", "input"),
        ("from = 2026-01-01\ninput = '1'\noutput = 1", "invalid_value", "input"),
        ("from = 2026-01-01\ninput = 0.0000001\noutput = 1", "invalid_value", "input"),
        ("from = 2026-01-01\ninput = nan\noutput = 1", "invalid_value", "input"),
        ("from = 2026-01-01\ninput = 1\noutput = 1\noutputs = 2", "unknown_key", "outputs"),
    ],
)
def test_a_problem_in_a_price_is_named(row: str, code: str, key: str) -> None:
    problems = parse(f"[[prices.x]]\n{row}\n").problems
    assert (code, key) in [(problem.code, problem.path[-1]) for problem in problems]
    assert all(str(problem).startswith("titan.toml line ") for problem in problems)


@pytest.mark.parametrize("gap", ["input = 1", "output = 1", "input = -1\noutput = 1"])
def test_from_an_incomplete_price_on_the_model_is_unpriced_and_named(gap: str) -> None:
    rows = f"""
[[prices.claude-opus-5-5]]
from = 2026-11-01
input = 3
output = 15
[[prices.claude-opus-5-5]]
from = 2026-11-10
{gap}
"""
    book = PriceBook(parse(rows).prices)

    def on(day: int) -> Charge:
        at = datetime(2026, 11, day, tzinfo=UTC)
        return book.charge("claude-opus-5-5", ONE, at=at, kind=BatchKind.SYNC)

    assert on(9).cost_nano == 3_000_000_000
    assert on(10) == Charge(unpriced="[[prices.claude-opus-5-5]] in titan.toml is incomplete")


def test_a_price_without_a_day_leaves_the_model_unpriced() -> None:
    book = PriceBook(parse("[[prices.claude-opus-5-5]]\ninput = 1\noutput = 1\n").prices)
    at = datetime(2026, 11, 10, tzinfo=UTC)
    assert "incomplete" in str(
        book.charge("claude-opus-5-5", ONE, at=at, kind=BatchKind.SYNC).unpriced
    )


def test_a_price_of_titan_toml_has_no_fast_mode() -> None:
    book = PriceBook(parse(TEXT).prices)
    at = datetime(2026, 11, 10, tzinfo=UTC)
    fast = Usage(input_tokens=1, speed="fast")
    found = book.charge("claude-haiku-4-5", fast, at=at, kind=BatchKind.SYNC)
    assert found.unpriced == "no known price for model claude-haiku-4-5 in fast mode"


def test_a_price_that_is_not_a_table_is_reported() -> None:
    (problem,) = parse("[prices]\nx = 3\n").problems
    assert str(problem) == "titan.toml line 2: prices.x: must be tables, as [[prices.x]]."
