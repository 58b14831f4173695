"""Prices of one's own, `[[prices.MODEL]]` in titan.toml: dated, and stronger than the list.

Dollars a million tokens at the standard price; the Batches API bills half of each.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from msgspec import Struct

from core.config.toml_reader import Section

_PICO_PER_DOLLAR_PER_MTOK = 1_000_000
# What the API charges for a cache, as a multiple of the input, where nothing else is said.
_CACHE = {
    "cache_write_5m": Decimal("1.25"),
    "cache_write_1h": Decimal(2),
    "cache_read": Decimal("0.1"),
}


class Rates(Struct, frozen=True, kw_only=True):
    """Standard prices of one model, in pico-dollars a token."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


class PriceRow(Struct, frozen=True, kw_only=True):
    """The prices of a model from a UTC day on."""

    first_day: date
    rates: Rates


OwnPrices = Mapping[str, tuple[PriceRow, ...]]


def parse_prices(section: Section) -> dict[str, tuple[PriceRow, ...]]:
    """Every model's rows, the latest first."""
    found = dict[str, tuple[PriceRow, ...]]()
    for model in section.values:
        rows = [row for table in section.rows(model) if (row := _row(table))]
        if rows:
            found[model] = tuple(sorted(rows, key=lambda row: row.first_day, reverse=True))
    return found


def in_force(prices: OwnPrices, model: str, day: date) -> Rates | None:
    """The model's own rates on that day, None where it has none."""
    rows = prices.get(model, ())
    return next((row.rates for row in rows if row.first_day <= day), None)


def _row(table: Section) -> PriceRow | None:
    first_day = table.day("from")
    prices = {name: _pico(table, name) for name in ("input", "output", *_CACHE)}
    table.finish()
    for name in ("from", "input", "output"):
        if name not in table.values:
            table.wrong(name, "is missing.")
    per_input, per_output = prices["input"], prices["output"]
    if first_day is None or per_input is None or per_output is None:
        return None
    cache = {
        name: int(per_input * factor) if (price := prices[name]) is None else price
        for name, factor in _CACHE.items()
    }
    return PriceRow(first_day=first_day, rates=Rates(input=per_input, output=per_output, **cache))


def _pico(table: Section, name: str) -> int | None:
    dollars = table.number(name)
    if dollars is None:
        return None
    pico = dollars * _PICO_PER_DOLLAR_PER_MTOK
    if pico != pico.to_integral_value():
        table.wrong(name, f"has more than six decimal places: {dollars}.")
        return None
    return int(pico)
