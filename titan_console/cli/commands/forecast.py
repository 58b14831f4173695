"""`titan-console forecast`: estimates a month of the jobs, as batches and synchronously."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation

import click

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import from_environment
from core.money.forecast import Cache, Forecast, Measured, Row, cents, forecast, report
from core.money.pricing import PriceBook
from core.reporting.history import measured
from state.db.reader import Reader
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
from titan_console.cli.output import echo, print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells

_MILLION = Decimal(1_000_000)


@click.command
@click.option(
    "--scale", default="1", show_default=True, help="Multiply today's volume, for example by 5."
)
@click.option("--cache-share", help="Assume this share of the input is in 1-hour caches (0 to 1).")
@click.option("--cache-hits", help="Cache hit rate to assume (0 to 1); goes with --cache-share.")
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object.")
def command(*, scale: str, cache_share: str | None, cache_hits: str | None, as_json_: bool) -> None:
    """Estimate the monthly cost of the jobs in titan.toml, as batches and synchronously.

    A month is 30 daily, 4 weekly and 120 six-hourly runs at today's prices. ROUNDED columns are
    the owner's own estimates; MEASURED columns come from the last 30 days in the ledger.
    """
    folder = Folder(from_environment().home)
    now = SystemClock().now()
    catalogue = titan_file.read_strictly(folder, or_template=True)
    found = forecast(
        catalogue,
        PriceBook(catalogue.prices),
        at=now,
        scale=_number(scale, "--scale", most=Decimal(1_000_000)),
        cache=_cache(cache_share, cache_hits),
        measured=_measured(folder, (now - timedelta(days=30)).date().isoformat()),
    )
    if as_json_:
        print_json(report(found))
        return
    _print(found)


def _measured(folder: Folder, since_day: str) -> dict[str, Measured]:
    if not ledger_exists(folder.ledger):
        return {}
    with Reader(folder.ledger) as reader:
        return measured(reader, since_day=since_day)


def _cache(share: str | None, hits: str | None) -> Cache | None:
    if share is None and hits is None:
        return None
    if share is None or hits is None:
        raise click.UsageError(
            "--cache-share and --cache-hits go together: no hit rate is assumed, and `titan-console"
            " savings --cache` shows the measured ones"
        )
    return Cache(share=_number(share, "--cache-share"), hits=_number(hits, "--cache-hits"))


def _number(text: str, option: str, *, most: Decimal = Decimal(1)) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or not 0 <= number <= most:
        raise click.UsageError(f"{option} must be a number from 0 to {most:,}, not {text!r}.")
    return number


def _print(found: Forecast) -> None:
    header = ["WORKLOAD", "IN/MONTH", "OUT/MONTH", "SYNC", "BATCH", "SAVED"]
    is_cached = found.total.cached_usd is not None
    if is_cached:
        header.append("WITH 1H CACHE")
    header += ["ROUNDED IN/OUT", "ROUNDED SYNC", "ROUNDED BATCH"]
    if found.total.measured:
        header += ["MEASURED IN/OUT", "MEASURED COST", "MEASURED SAVED"]
    lines = [*found.rows, found.total]
    print_table(header, (_cells(line, found, is_cached=is_cached) for line in lines))
    if found.scale != 1:
        echo(f"\nAt {found.scale} times today's volume.")
    if found.elsewhere:
        print_stderr(
            f"Also measured in workflows outside titan.toml: {_pair(found.elsewhere)} tokens,"
            f" {cells.money(found.elsewhere.cost_nano)}."
        )


def _cells(line: Row, found: Forecast, *, is_cached: bool) -> list[str]:
    rounded = line.rounded or {}
    row = [
        line.title,
        _tokens(line.tokens_in),
        _tokens(line.tokens_out),
        _usd(line.sync_usd),
        _usd(line.batch_usd),
        _usd(cents(line.sync_usd) - cents(line.batch_usd)),
    ]
    if is_cached:
        row.append(_usd(line.cached_usd))
    row += [
        f"{_tokens(rounded.get('tokens_in'))} / {_tokens(rounded.get('tokens_out'))}",
        _usd(rounded.get("sync_usd")),
        _usd(rounded.get("batch_usd")),
    ]
    measured_ = line.measured
    if found.total.measured:
        row += [
            _pair(measured_) if measured_ else cells.NOTHING,
            cells.sum_of_money(measured_.cost_nano, measured_.unpriced)
            if measured_
            else cells.NOTHING,
            cells.sum_of_money(measured_.sync_cost_nano - measured_.cost_nano, measured_.unpriced)
            if measured_
            else cells.NOTHING,
        ]
    return row


def _pair(measured_: Measured) -> str:
    return f"{_tokens(measured_.tokens_in)} / {_tokens(measured_.tokens_out)}"


def _tokens(number: int | Decimal | None) -> str:
    """Millions with two decimals, 2.43M; small numbers in full."""
    if number is None:
        return cells.NOTHING
    if number < _MILLION / 100:
        return cells.count(int(number))
    return f"{Decimal(number) / _MILLION:,.2f}M"


def _usd(amount: Decimal | None) -> str:
    return cells.NOTHING if amount is None else f"${cents(amount):,}"
