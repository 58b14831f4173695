"""`titan-console forecast`: estimates a month of the jobs, as batches and synchronously."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

import click

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import from_environment
from core.config.titan_tables import TitanToml
from core.errors import TitanTomlError
from core.money import model_change
from core.money.forecast import Cache, Forecast, Measured, Row, cents, forecast, report
from core.money.model_change import ModelChange, compare
from core.money.pricing import PriceBook
from core.reporting.history import measured
from core.requests import retirements
from state.db.opening import reader_if_any
from state.files.folder import Folder
from titan_console.cli.output import echo, print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells

_MILLION = Decimal(1_000_000)
_TOKENIZERS = (
    "The same number of tokens on both models. Claude models from 4.7 on count about 30 % more"
    " tokens for the same text."
)


@click.command
@click.option(
    "--scale",
    default="1",
    show_default=True,
    help="Multiply the volume in titan.toml, for example by 5.",
)
@click.option("--cache-share", help="Assume this share of the input is in 1-hour caches (0 to 1).")
@click.option("--cache-hits", help="Cache hit rate to assume (0 to 1); requires --cache-share.")
@click.option("--model", help="Show what the jobs would cost on this model.")
@click.option("--job", help="With --model: only this job.")
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object.")
def command(
    *,
    scale: str,
    cache_share: str | None,
    cache_hits: str | None,
    model: str | None,
    job: str | None,
    as_json_: bool,
) -> None:
    """Estimate the monthly cost of the jobs in titan.toml, batched and synchronously.

    Columns without a prefix are estimates at today's prices; a month counts as 30 runs of a daily
    job, 4 of a weekly one and 120 of one every 6 hours. PLANNED columns are your own figures
    (`planned` in titan.toml); MEASURED columns are the last 30 days in the ledger.
    """
    folder = from_environment().folder
    now = SystemClock().now()
    titan_toml = titan_file.read_strictly(folder, or_template=True)
    if model is not None or job is not None:
        if scale != "1" or cache_share is not None or cache_hits is not None:
            raise click.UsageError(
                "--model cannot be combined with --scale, --cache-share or --cache-hits."
            )
        _compare(folder, titan_toml, now, model=model, job=job, as_json_=as_json_)
        return
    found = forecast(
        titan_toml,
        PriceBook.with_cache(folder, titan_toml),
        at=now,
        scale=_number(scale, "--scale", most=Decimal(1_000_000)),
        cache=_cache(cache_share, cache_hits),
        measured=_measured(folder),
    )
    if as_json_:
        print_json(report(found))
    else:
        _print(found)
    if not titan_file.path_of(folder).exists():
        print_stderr("No titan.toml yet; these are the jobs that `titan-console jobs init` writes.")


def _compare(
    folder: Folder,
    titan_toml: TitanToml,
    now: datetime,
    *,
    model: str | None,
    job: str | None,
    as_json_: bool,
) -> None:
    if model is None or not model.strip():
        raise click.UsageError("--job needs --model: name the model to compare with.")
    if job is not None and job not in titan_toml.jobs:
        said = f"No job {job!r} in titan.toml; `titan-console jobs` lists them."
        raise TitanTomlError(said, code="unknown_job")
    found = compare(
        titan_toml,
        PriceBook.with_cache(folder, titan_toml),
        model,
        at=now,
        job=job,
        measured=_measured(folder),
    )
    for warning in retirements.warnings_for([model], now=now):
        print_stderr(warning)
    if as_json_:
        print_json(model_change.report(found, model, at=now))
        return
    total = model_change.sums(found)
    print_table(
        ("JOB OR WORKLOAD", "MODEL", "IN/MONTH", "OUT/MONTH", "COST", f"ON {model}", "SAVED"),
        (
            *(_change(one) for one in found),
            ("total", "", "", "", _money(total[0]), _money(total[1]), _money(total[0] - total[1])),
        ),
    )
    echo(_TOKENIZERS)


def _change(one: ModelChange) -> tuple[str, ...]:
    saved = None if one.usd is None or one.other_usd is None else one.usd - one.other_usd
    tokens = (_tokens(one.tokens_in), _tokens(one.tokens_out))
    return (one.name, one.model, *tokens, _money(one.usd), _money(one.other_usd), _money(saved))


def _measured(folder: Folder) -> dict[str, Measured]:
    with reader_if_any(folder) as reader:
        return measured(reader) if reader else {}


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
    header = ["WORKLOAD", "IN/MONTH", "OUT/MONTH", "SYNC PRICE", "BATCH PRICE", "SAVED"]
    is_cached = found.total.cached_usd is not None
    if is_cached:
        header.append("WITH 1H CACHE")
    header += ["PLANNED IN/OUT", "PLANNED SYNC", "PLANNED BATCH"]
    if found.total.measured:
        header += ["MEASURED IN/OUT", "MEASURED COST", "MEASURED SAVED"]
    lines = [*found.rows, found.total]
    print_table(header, (_cells(line, found, is_cached=is_cached) for line in lines))
    if found.scale != 1:
        echo(f"\nAt {found.scale} times the volume in titan.toml.")
    if found.elsewhere:
        print_stderr(
            f"Also measured in workflows outside titan.toml: {_pair(found.elsewhere)} tokens,"
            f" {cells.money(found.elsewhere.cost_nano)}."
        )


def _cells(line: Row, found: Forecast, *, is_cached: bool) -> list[str]:
    planned = line.planned or {}
    row = [
        _named(line),
        _tokens(line.tokens_in),
        _tokens(line.tokens_out),
        _usd(line.sync_usd),
        _usd(line.batch_usd),
        _usd(cents(line.sync_usd) - cents(line.batch_usd)),
    ]
    if is_cached:
        row.append(_usd(line.cached_usd))
    row += [
        f"{_tokens(planned.get('tokens_in'))} / {_tokens(planned.get('tokens_out'))}",
        _usd(planned.get("sync_usd")),
        _usd(planned.get("batch_usd")),
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


def _named(line: Row) -> str:
    """The title, and the name that `jobs` shows where it is another."""
    is_other = line.workload and line.workload != line.title
    return f"{line.title} ({line.workload})" if is_other else line.title


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


def _money(amount: Decimal | None) -> str:
    """With more digits than `_usd` where it is less than ten cents."""
    return cells.NOTHING if amount is None else cells.money(round(amount.scaleb(9)))
