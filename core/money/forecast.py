"""Forecasts the monthly cost of the jobs in titan.toml, in batches and synchronously. Pure.

Money is exact `Decimal` dollars; `cents` rounds for display.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct
from msgspec.structs import replace

from core.config.titan_tables import TitanToml, Workload
from core.errors import TitanTomlError
from core.money.pricing import PriceBook, Rates, dollars
from state.model.records import DEFAULT_LANE

_CENT = Decimal("0.01")
_PICO_PER_DOLLAR = Decimal(10) ** 12
_HALF = Decimal("0.5")


class Cache(Struct, frozen=True, kw_only=True):
    """A what-if: the share of the input in 1-hour cache blocks, and the share of that which hits.

    Hits cost the cache read price, the rest of the share twice the input price.
    """

    share: Decimal
    hits: Decimal


class Measured(Struct, frozen=True, kw_only=True):
    """Sums of the last 30 days in the ledger: tokens and nano-dollars."""

    tokens_in: int
    tokens_out: int
    cost_nano: int
    sync_cost_nano: int
    unpriced: int
    first_day: str


class Row(Struct, frozen=True, kw_only=True):
    """One row. `batch_usd` is the planned cost; for real-time work it equals `sync_usd`."""

    workload: str
    title: str
    tokens_in: int
    tokens_out: int
    sync_usd: Decimal
    batch_usd: Decimal
    cached_usd: Decimal | None = None
    planned: Mapping[str, Decimal] | None = None
    measured: Measured | None = None


class Forecast(Struct, frozen=True, kw_only=True):
    """The rows and their sum. `elsewhere` is what jobs outside titan.toml used."""

    rows: tuple[Row, ...]
    total: Row
    scale: Decimal
    elsewhere: Measured | None = None


def forecast(
    titan_toml: TitanToml,
    prices: PriceBook,
    *,
    at: datetime,
    scale: Decimal = Decimal(1),
    cache: Cache | None = None,
    measured: Mapping[str, Measured] | None = None,
) -> Forecast:
    """Forecast a month at the prices of day `at`, multiplied by `scale`.

    A job has the prices of its lane. `measured` is by workflow. Raises TitanTomlError for a model
    without a price.
    """
    history = measured or {}
    rows = tuple(
        _row(titan_toml, workload, prices, at, scale, cache, history)
        for workload in titan_toml.workloads.values()
    )
    unlisted = [m for name, m in history.items() if name not in titan_toml.jobs]
    return Forecast(
        rows=rows,
        total=_total(rows, history.values()),
        scale=scale,
        elsewhere=_sum(unlisted),
    )


def cents(amount: Decimal) -> Decimal:
    """Rounded to the cent, halves up."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def _row(
    titan_toml: TitanToml,
    workload: Workload,
    prices: PriceBook,
    at: datetime,
    scale: Decimal,
    cache: Cache | None,
    history: Mapping[str, Measured],
) -> Row:
    tokens_in = tokens_out = 0
    sync = cached = Decimal(0)
    for name, model, lane, month_in, month_out in _parts(titan_toml, workload):
        rates = prices.of(lane).rates(model, prompt_tokens=0, at=at)
        if rates is None:
            raise TitanTomlError(
                f"titan.toml: {name}: model {model!r} has no price;"
                " add it to [prices] or set another model.",
                code="model_without_price",
            )
        count_in, count_out = _whole(month_in * scale), _whole(month_out * scale)
        tokens_in, tokens_out = tokens_in + count_in, tokens_out + count_out
        sync += _usd(rates, count_in, count_out, None)
        cached += _usd(rates, count_in, count_out, cache)
    factor = _HALF if workload.is_batched else Decimal(1)
    return Row(
        workload=workload.name,
        title=workload.title or workload.name,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        sync_usd=sync,
        batch_usd=sync * factor,
        cached_usd=(cached * factor if workload.is_batched else sync) if cache else None,
        planned={name: figure * scale for name, figure in workload.planned.figures().items()}
        or None,
        measured=_sum(
            history[j.name] for j in titan_toml.jobs_of(workload.name) if j.name in history
        ),
    )


def _parts(
    titan_toml: TitanToml, workload: Workload
) -> Iterable[tuple[str, str, str, Decimal, Decimal]]:
    """Name, model, lane, tokens in and tokens out of a month: as planned, else job by job."""
    if workload.month_in is not None and workload.month_out is not None:
        yield (
            f"workload {workload.name}",
            workload.model,
            DEFAULT_LANE,
            Decimal(workload.month_in),
            Decimal(workload.month_out),
        )
        return
    for job in titan_toml.jobs_of(workload.name):
        runs = job.schedule.runs_a_month
        tokens_in, tokens_out = job.tokens_in or 0, job.tokens_out or 0
        yield f"job {job.name}", job.model, job.lane, tokens_in * runs, tokens_out * runs


def _usd(rates: Rates, tokens_in: int, tokens_out: int, cache: Cache | None) -> Decimal:
    """The cost at the standard price, with caching if given."""
    per_input = Decimal(rates.input)
    if cache is not None:
        found = cache.hits * rates.cache_read + (1 - cache.hits) * rates.cache_write_1h
        per_input = (1 - cache.share) * per_input + cache.share * found
    return (tokens_in * per_input + tokens_out * rates.output) / _PICO_PER_DOLLAR


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_HALF_UP))


def _total(rows: tuple[Row, ...], history: Iterable[Measured]) -> Row:
    planned = [row.planned for row in rows if row.planned]
    first: Mapping[str, Decimal] = planned[0] if planned else dict[str, Decimal]()
    names = [name for name in first if all(name in other for other in planned)]
    total = Row(
        workload="total",
        title="total",
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_out=sum(row.tokens_out for row in rows),
        sync_usd=sum((row.sync_usd for row in rows), Decimal(0)),
        batch_usd=sum((row.batch_usd for row in rows), Decimal(0)),
        planned={name: sum((r[name] for r in planned), Decimal(0)) for name in names} or None,
        measured=_sum(history),
    )
    cached = [row.cached_usd for row in rows if row.cached_usd is not None]
    return replace(total, cached_usd=sum(cached, Decimal(0))) if cached else total


def _sum(parts: Iterable[Measured]) -> Measured | None:
    found = list(parts)
    if not found:
        return None
    return Measured(
        tokens_in=sum(part.tokens_in for part in found),
        tokens_out=sum(part.tokens_out for part in found),
        cost_nano=sum(part.cost_nano for part in found),
        sync_cost_nano=sum(part.sync_cost_nano for part in found),
        unpriced=sum(part.unpriced for part in found),
        first_day=min(part.first_day for part in found),
    )


class MeasuredReport(Struct, frozen=True, kw_only=True):
    """Usage measured in the ledger. `since`: the first UTC day."""

    tokens_in: int
    tokens_out: int
    cost_usd: float
    sync_usd: float
    unpriced: int
    since: str


class RowReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One workload, or the total. `cached_usd` is there only with --cache-share.

    `rounded` is the old name of `planned`.
    """

    workload: str
    tokens_in: int | None
    tokens_out: int | None
    sync_usd: float
    batch_usd: float
    planned: dict[str, int | float] | None
    rounded: dict[str, int | float] | None
    measured: MeasuredReport | None
    cached_usd: float | None = None


class ForecastReport(Struct, frozen=True, kw_only=True):
    """A forecast, dollars to the cent. `saving_usd` is the old name of `savings_usd`."""

    rows: list[RowReport]
    total: RowReport
    scale: int | float
    savings_usd: float
    saving_usd: float
    elsewhere: MeasuredReport | None


def report(result: Forecast) -> ForecastReport:
    """The forecast as JSON."""
    savings = float(cents(result.total.sync_usd) - cents(result.total.batch_usd))
    return ForecastReport(
        rows=[_row_report(row) for row in result.rows],
        total=_row_report(result.total),
        scale=_number(result.scale),
        savings_usd=savings,
        saving_usd=savings,
        elsewhere=_measured_report(result.elsewhere),
    )


def _row_report(row: Row) -> RowReport:
    planned = {name: _number(n) for name, n in row.planned.items()} if row.planned else None
    return RowReport(
        workload=row.workload,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        sync_usd=float(cents(row.sync_usd)),
        batch_usd=float(cents(row.batch_usd)),
        cached_usd=None if row.cached_usd is None else float(cents(row.cached_usd)),
        planned=planned,
        rounded=planned,
        measured=_measured_report(row.measured),
    )


def _measured_report(measured: Measured | None) -> MeasuredReport | None:
    if measured is None:
        return None
    return MeasuredReport(
        tokens_in=measured.tokens_in,
        tokens_out=measured.tokens_out,
        cost_usd=float(dollars(measured.cost_nano)),
        sync_usd=float(dollars(measured.sync_cost_nano)),
        unpriced=measured.unpriced,
        since=measured.first_day,
    )


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
