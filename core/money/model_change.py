"""What the jobs of titan.toml would cost on another model. Pure.

Exact `Decimal` dollars of a month, as planned: in batches, or synchronously for real-time work.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from core.config.job import Job
from core.config.titan_tables import TitanToml, Workload
from core.errors import TitanTomlError
from core.money.forecast import Measured
from core.money.pricing import PriceBook
from core.requests import retirements
from state.model.records import DEFAULT_LANE

_PICO_PER_DOLLAR = Decimal(10) ** 12


class ModelChange(Struct, frozen=True, kw_only=True):
    """One job, or a workload that is planned as a whole. None: its tokens are not known."""

    name: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    usd: Decimal | None
    other_usd: Decimal | None


def compare(
    titan_toml: TitanToml,
    prices: PriceBook,
    other: str,
    *,
    at: datetime,
    job: str | None = None,
    measured: Mapping[str, Measured] | None = None,
) -> tuple[ModelChange, ...]:
    """Each job, or the one of that name, on its own model and on the other one.

    The tokens are those planned for a month, else those `measured` in 30 days, by workflow. Raises
    TitanTomlError for a model without a price.
    """
    found = list[ModelChange]()
    for name, model, lane, is_batched, tokens in _planned(titan_toml, job, measured or {}):
        of_lane = prices.of(lane)
        own, new = (_rate(of_lane, asked, at, tokens, is_batched) for asked in (model, other))
        found.append(
            ModelChange(
                name=name,
                model=model,
                tokens_in=tokens[0] if tokens else None,
                tokens_out=tokens[1] if tokens else None,
                usd=own if tokens else None,
                other_usd=new if tokens else None,
            )
        )
    return tuple(found)


# Name, model, lane, whether it is batched, tokens in and out of a month.
_Planned = tuple[str, str, str, bool, tuple[int, int] | None]


def _planned(
    titan_toml: TitanToml, only: str | None, measured: Mapping[str, Measured]
) -> Iterator[_Planned]:
    for job in titan_toml.jobs.values():
        if only not in (None, job.name):
            continue
        workload = titan_toml.workloads.get(job.workload, Workload())
        tokens = _tokens(job, measured)
        if only is not None or tokens is not None:
            yield job.name, job.model, job.lane, workload.is_batched, tokens
    for workload in titan_toml.workloads.values() if only is None else ():
        if workload.month_in is not None and workload.month_out is not None:
            tokens = (workload.month_in, workload.month_out)
            name = workload.title or workload.name
            yield name, workload.model, DEFAULT_LANE, workload.is_batched, tokens


def _tokens(job: Job, measured: Mapping[str, Measured]) -> tuple[int, int] | None:
    """Of a month: as planned, else as measured."""
    if job.tokens_in is not None and job.tokens_out is not None:
        runs = job.schedule.runs_a_month
        return round(job.tokens_in * runs), round(job.tokens_out * runs)
    found = measured.get(job.name)
    return (found.tokens_in, found.tokens_out) if found else None


def _rate(
    prices: PriceBook, model: str, at: datetime, tokens: tuple[int, int] | None, is_batched: bool
) -> Decimal:
    rates = prices.rates(model, prompt_tokens=0, at=at)
    if rates is None:
        raise TitanTomlError(
            f"Model {model!r} has no price; add it to [prices] in titan.toml or choose another.",
            code="model_without_price",
        )
    tokens_in, tokens_out = tokens or (0, 0)
    pico = Decimal(tokens_in * rates.input + tokens_out * rates.output)
    return pico / _PICO_PER_DOLLAR / (2 if is_batched else 1)


class ModelChangeReport(Struct, frozen=True, kw_only=True):
    """One job as JSON."""

    job: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    usd: float | None
    other_usd: float | None


class ModelChangesReport(Struct, frozen=True, kw_only=True):
    """All jobs on another model; the sums leave out jobs without known tokens.

    `warnings`: the model is retired, or soon will be.
    """

    model: str
    jobs: list[ModelChangeReport]
    usd: float
    other_usd: float
    warnings: list[str]


def report(found: tuple[ModelChange, ...], other: str, *, at: datetime) -> ModelChangesReport:
    """The comparison as JSON."""
    usd, other_usd = sums(found)
    return ModelChangesReport(
        model=other,
        jobs=[
            ModelChangeReport(
                job=one.name,
                model=one.model,
                tokens_in=one.tokens_in,
                tokens_out=one.tokens_out,
                usd=None if one.usd is None else float(one.usd),
                other_usd=None if one.other_usd is None else float(one.other_usd),
            )
            for one in found
        ],
        usd=float(usd),
        other_usd=float(other_usd),
        warnings=list(retirements.warnings_for([other], now=at)),
    )


def sums(found: tuple[ModelChange, ...]) -> tuple[Decimal, Decimal]:
    """The cost of all on their own models, and on the other one."""
    return (
        sum((one.usd or Decimal(0) for one in found), Decimal(0)),
        sum((one.other_usd or Decimal(0) for one in found), Decimal(0)),
    )
