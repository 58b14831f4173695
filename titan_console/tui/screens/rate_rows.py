"""Live rates on the KPIs screen: answers and dollars over the last hour and the last day. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from core.money.pricing import usd
from state.model.timestamps import from_text
from state.queries.live_rates import EndedRun
from titan_console.text import format as fmt
from titan_console.text.charts import Bars, sparkline
from titan_console.text.format import Tone
from titan_console.tui.widgets.row_drawing import Cell, Row
from titan_console.tui.widgets.selection import Key


class _Rate(Struct, frozen=True):
    title: str
    span: timedelta
    buckets: int
    amount: Callable[[EndedRun], int]
    shown: Callable[[float], str]
    bucket: str


def _answers(run: EndedRun) -> int:
    return run.answers


def _spent(run: EndedRun) -> int:
    return run.cost_nano


def _dollars(nano: float) -> str:
    return fmt.money(round(nano))


def _count(number: float) -> str:
    return fmt.count(round(number))


_HOUR, LONGEST = timedelta(hours=1), timedelta(days=1)
_RATES: Mapping[str, _Rate] = {
    "rate.answers_1h": _Rate(*("answers, last hour", _HOUR, 30, _answers, _count, "2 minutes")),
    "rate.spent_1h": _Rate(*("spent, last hour", _HOUR, 30, _spent, _dollars, "2 minutes")),
    "rate.answers_24h": _Rate(*("answers, last 24 hours", LONGEST, 24, _answers, _count, "1 hour")),
    "rate.spent_24h": _Rate(*("spent, last 24 hours", LONGEST, 24, _spent, _dollars, "1 hour")),
}


def is_rate(key: Key) -> bool:
    """Whether that row is a rate."""
    return key in _RATES


def rate_rows(ended: Sequence[EndedRun], now: datetime) -> list[Row]:
    """One row per rate, with a trend of its time."""
    return [_row(key, rate, buckets(ended, key, now)) for key, rate in _RATES.items()]


def rate_bars(ended: Sequence[EndedRun], key: str, now: datetime) -> Bars:
    """A rate as bars, the current time on the right."""
    rate = _RATES[key]
    return Bars(
        values=list(buckets(ended, key, now)),
        format_value=rate.shown,
        first=f"{fmt.rough_span(rate.span)} ago, bars of {rate.bucket}",
        last="now",
    )


def records(
    ended: Sequence[EndedRun], keys: Collection[Key], now: datetime
) -> list[dict[str, object]]:
    """The rates among these rows as data: the sum of each, and its equal parts, oldest first."""
    found: list[dict[str, object]] = []
    for key, rate in _RATES.items():
        if key in keys:
            parts = buckets(ended, key, now)
            is_money = rate.amount is _spent
            values = [usd(part) for part in parts] if is_money else parts
            total = usd(sum(parts)) if is_money else sum(parts)
            found.append({"kpi": key.removeprefix("rate."), "value": total, "parts": values})
    return found


def buckets(ended: Sequence[EndedRun], key: str, now: datetime) -> list[int]:
    """The sums of equal parts of its time, the oldest first."""
    rate = _RATES[key]
    sums = [0] * rate.buckets
    width = rate.span / rate.buckets
    for run in ended:
        age = now - from_text(run.ended_ts)
        if age >= rate.span:
            break
        sums[rate.buckets - 1 - max(0, age // width)] += rate.amount(run)
    return sums


def _row(key: str, rate: _Rate, sums: Sequence[int]) -> Row:
    value = rate.shown(sum(sums))
    busiest = f"at most {rate.shown(max(sums))} in {rate.bucket}"
    return Row(
        key=key,
        cells={
            "name": Cell(rate.title),
            "value": Cell(value),
            "target": Cell(fmt.NOTHING, Tone.DIM),
            "verdict": Cell(fmt.NOTHING, Tone.DIM),
            "days": Cell(sparkline(list(sums)), Tone.BUSY),
        },
        about=f"{rate.title}: {value}, {busiest}",
    )
