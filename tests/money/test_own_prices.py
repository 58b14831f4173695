"""`[[prices.MODEL]]`: dated, stronger than the list, and checked."""

from datetime import UTC, datetime

import pytest

from core.config.catalogue import parse
from core.money.pricing import PriceBook
from state.model.records import Kind, Usage

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
    return book.price(model, usage, at=datetime(2026, 11, day, tzinfo=UTC), kind=Kind.SYNC)[1]


def test_a_price_holds_from_its_day_on() -> None:
    assert parse(TEXT).mistakes == ()
    assert price("claude-next-9", 9) == 3_000_000_000
    assert price("claude-next-9", 10) == 2_000_000_000
    assert price("claude-next-9-20261101", 30) == 2_000_000_000
    assert price("claude-haiku-4-5-20251001", 1) == 7_000_000_000


def test_before_its_first_day_the_list_answers() -> None:
    book = PriceBook(parse(TEXT).prices)
    assert (
        book.price("claude-next-9", ONE, at=datetime(2026, 10, 31, tzinfo=UTC), kind=Kind.SYNC)[1]
        is None
    )


def test_a_cache_costs_what_it_usually_does_unless_it_is_said() -> None:
    assert price("claude-next-9", 10, Usage(cache_read_tokens=1_000_000)) == 50_000_000
    assert price("claude-next-9", 9, Usage(cache_read_tokens=1_000_000)) == 300_000_000
    assert price("claude-next-9", 9, Usage(cache_write_1h_tokens=1_000_000)) == 6_000_000_000
    assert price("claude-next-9", 9, Usage(cache_write_5m_tokens=1_000_000)) == 3_750_000_000


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("from = 2026-01-01\ninput = 1", "output: is missing"),
        ("input = 1\noutput = 1", "from: is missing"),
        ("from = 'May'\ninput = 1\noutput = 1", "from: must be a date"),
        ("from = 2026-01-01\ninput = -1\noutput = 1", "input: must be a number from 0 on"),
        ("from = 2026-01-01\ninput = 0.0000001\noutput = 1", "six decimal places"),
        ("from = 2026-01-01\ninput = nan\noutput = 1", "input: must be a number"),
        ("from = 2026-01-01\ninput = 1\noutput = 1\noutputs = 2", "did you mean output?"),
    ],
)
def test_a_mistake_in_a_price_is_named(row: str, said: str) -> None:
    mistakes = parse(f"[[prices.x]]\n{row}\n").mistakes
    assert any(said in str(mistake) for mistake in mistakes)
    assert all(str(mistake).startswith("titan.toml line ") for mistake in mistakes)


def test_what_is_no_table_is_said() -> None:
    (mistake,) = parse("[prices]\nx = 3\n").mistakes
    assert str(mistake) == "titan.toml line 2: prices.x: must be tables, as [[prices.x]]."
