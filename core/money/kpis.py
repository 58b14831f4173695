"""The KPIs that show whether batching pays off. Pure."""

import math
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct, field

from core.text import duration_text

MONTH_DAYS = 30
_HOUR_S = 3600
_SHARE = 0.80
_SAVED_USD = Decimal(40)
_P50_H, _P95_H = 4.0, 12.0
_ERROR_RATE = 0.01
_SYNC_RUNS = 5
_NANO = Decimal(10) ** 9
SAVED_TARGET_NANO = int(_SAVED_USD * _NANO)


class Facts(Struct, frozen=True, kw_only=True):
    """Sums of a period from the ledger. Money in nano-dollars, times in seconds.

    `fee_nano` is the part of the cost, and of the synchronous price, that is not for tokens.

    Tokens (in and out) are those of jobs that may be batched: `batch_tokens` in batches,
    `sync_tokens` synchronously, `unmoved_tokens` those of jobs without a record (see
    `core.money.batchable`). `lost` requests expired or were missing from the results, but
    for those that a batch without results lost and another attempt answered; with `errored` ones
    they make up the error rate.
    """

    batch_tokens: int = 0
    sync_tokens: int = 0
    unmoved_tokens: int = 0
    savings_nano: int = 0
    cost_nano: int = 0
    fee_nano: int = 0
    unpriced: int = 0
    requests: int = 0
    errored: int = 0
    lost: int = 0
    sync_runs: int = 0
    turnarounds_s: Sequence[float] = field(default_factory=tuple[float, ...])


class Kpi(Struct, frozen=True, kw_only=True):
    """One KPI; its value is None without data. `is_floor`: the target is a minimum."""

    name: str
    title: str
    value: float | int | None
    target: float | int
    is_floor: bool

    @property
    def is_sum(self) -> bool:
        """Whether the target is for all workflows together, not for each of them."""
        return self.name in ("saved_usd_30d", "fallbacks_30d")

    @property
    def ok(self) -> bool | None:
        """Whether the target is met, None without data."""
        if self.value is None:
            return None
        return self.value >= self.target if self.is_floor else self.value <= self.target


def kpis(facts: Facts, *, days: int = MONTH_DAYS) -> tuple[Kpi, ...]:
    """All KPIs; the monthly targets are scaled to that many days."""
    month = days / MONTH_DAYS
    tokens = facts.batch_tokens + facts.sync_tokens + facts.unmoved_tokens
    failed = facts.errored + facts.lost
    return (
        _floor("batch_share", "batch share", _ratio(facts.batch_tokens, tokens), _SHARE),
        _floor(
            "saved_usd_30d",
            f"saved ({days} d)",
            _dollars(facts.savings_nano) if facts.requests else None,
            float(_SAVED_USD) * month,
        ),
        _ceiling("turnaround_p50_h", "turnaround p50", _hours(facts, 50), _P50_H),
        _ceiling("turnaround_p95_h", "turnaround p95", _hours(facts, 95), _P95_H),
        _ceiling("error_rate", "error rate", _ratio(failed, facts.requests), _ERROR_RATE),
        _ceiling(
            "fallbacks_30d",
            f"synchronous runs ({days} d)",
            facts.sync_runs if facts.requests or facts.sync_runs else None,
            _SYNC_RUNS * month,
        ),
    )


class KpiReport(Struct, frozen=True, kw_only=True):
    """One KPI as JSON. `value` and `ok` are None while there is no data."""

    value: float | None
    target: float
    ok: bool | None


def report(found: Sequence[Kpi]) -> dict[str, KpiReport]:
    """The KPIs as JSON, by name."""
    return {kpi.name: KpiReport(value=kpi.value, target=kpi.target, ok=kpi.ok) for kpi in found}


def shown(kpi: Kpi, value: float) -> str:
    """A value as text, in the unit of its KPI."""
    text = _text(kpi, value, more=0)
    # More digits where the value would look like the target that it misses.
    is_alike = value != kpi.target and text == _text(kpi, kpi.target, more=0)
    return _text(kpi, value, more=2) if is_alike else text


def _text(kpi: Kpi, value: float, *, more: int) -> str:
    if kpi.name in ("batch_share", "error_rate"):
        return f"{value:.{1 + more}%}"
    if kpi.name.endswith("_h"):
        return hours_text(value, is_exact=bool(more))
    return f"${value:,.{2 + more}f}" if "usd" in kpi.name else f"{value:g}"


def hours_text(hours: float, *, is_exact: bool = False) -> str:
    """Hours as text; `is_exact` with one unit more.

    >>> [hours_text(hours) for hours in (0, 4 / 3600, 0.2, 3.5)]
    ['0s', '4s', '12m', '3h 30m']
    """
    return duration_text(round(hours * 3600), is_exact=is_exact)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The percentile by nearest rank, None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _hours(facts: Facts, percent: int) -> float | None:
    seconds = percentile(facts.turnarounds_s, percent)
    return None if seconds is None else round(seconds / _HOUR_S, 3)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _dollars(nano: int) -> float:
    return float(nano / _NANO)


def _floor(name: str, title: str, value: float | None, target: float) -> Kpi:
    return Kpi(name=name, title=title, value=value, target=target, is_floor=True)


def _ceiling(name: str, title: str, value: float | None, target: float) -> Kpi:
    return Kpi(name=name, title=title, value=value, target=target, is_floor=False)
