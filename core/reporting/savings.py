"""The savings of the last thirty days: for the Savings screen and `savings --month`."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct

from core.money.cache_gain import CacheEffect
from core.money.kpis import MONTH_DAYS
from core.money.month import Month, first_day_needed, month
from core.money.pricing import PriceBook, usd
from core.reporting import cache_report
from state.db.reader import Source
from state.queries import spending, unpriced
from state.queries.spending import Spending
from state.queries.unpriced import UnpricedReason

BY = ("workflow", "model", "day")


class Savings(Struct, frozen=True, kw_only=True):
    """Sums `by` workflow, model and day since `since_day`, and what they come to."""

    today: date
    since_day: str
    by: Mapping[str, Sequence[Spending]]
    month: Month
    cache: CacheEffect
    unpriced_reasons: Sequence[UnpricedReason]

    @property
    def month_day(self) -> str:
        """The first of this UTC month."""
        return str(self.today.replace(day=1))

    @property
    def saved_nano(self) -> int:
        """Saved since that day, in nano-dollars."""
        return sum(row.savings_nano for row in self.by["day"])

    @property
    def sync_cost_nano(self) -> int:
        """The synchronous price of the same answers, in nano-dollars."""
        return sum(row.sync_cost_nano for row in self.by["day"])

    @property
    def fee_nano(self) -> int:
        """The part of cost and synchronous price that is not for tokens, in nano-dollars."""
        return sum(row.fee_nano for row in self.by["day"])

    @property
    def duplicate_nano(self) -> int:
        """Duplicate spend, in nano-dollars."""
        return sum(row.duplicate_nano for row in self.by["day"])

    @property
    def unpriced(self) -> int:
        """The number of answers without a known price, left out of the sums."""
        return sum(row.unpriced for row in self.by["day"])

    def days(self) -> list[str]:
        """Every UTC day of the thirty, the earliest first."""
        first = date.fromisoformat(self.since_day)
        return [str(first + timedelta(days=n)) for n in range(MONTH_DAYS)]


def read(source: Source, prices: PriceBook, today: date) -> Savings:
    """The answers collected in the last thirty UTC days, today included."""
    since_day = str(today - timedelta(days=MONTH_DAYS - 1))
    needed = spending.by_day_column(source, "day", since_day=str(first_day_needed(today)))
    return Savings(
        today=today,
        since_day=since_day,
        by=sums(source, since_day),
        month=month({row.name: row.savings_nano for row in needed}, today),
        cache=cache_report.effect(source, prices, since_day),
        unpriced_reasons=unpriced.reasons(source, since_ts=since_day),
    )


def sums(source: Source, since_day: str) -> Mapping[str, Sequence[Spending]]:
    """By workflow, model and day, of the answers collected since that UTC day."""
    return {name: spending.by_day_column(source, name, since_day=since_day) for name in BY}


class MonthReport(Struct, frozen=True, kw_only=True):
    """The calendar month. `projected_usd` is None before the first full day."""

    savings_usd: float | None
    a_day_usd: float | None
    full_days: int
    days_left: int
    projected_usd: float | None
    target_usd: float | None
    ok: bool | None


class CacheReport(Struct, frozen=True, kw_only=True):
    """What prompt caching saved (negative: cost)."""

    savings_usd: float | None
    tokens_read: int
    tokens_written: int
    tokens_unpriced: int


class SavingsReport(Struct, frozen=True, kw_only=True):
    """What `savings --month --json` prints."""

    since: str
    savings_usd: float | None
    sync_usd: float | None
    fee_usd: float | None
    duplicate_spend_usd: float | None
    unpriced: int
    unpriced_reasons: dict[str, int]
    month: MonthReport
    cache: CacheReport


def report(found: Savings) -> SavingsReport:
    """The savings as JSON."""
    ahead = found.month
    return SavingsReport(
        since=found.since_day,
        savings_usd=usd(found.saved_nano),
        sync_usd=usd(found.sync_cost_nano),
        fee_usd=usd(found.fee_nano),
        duplicate_spend_usd=usd(found.duplicate_nano),
        unpriced=found.unpriced,
        unpriced_reasons=dict(found.unpriced_reasons),
        month=MonthReport(
            savings_usd=usd(ahead.saved_nano),
            a_day_usd=usd(ahead.pace_nano),
            full_days=ahead.full_days,
            days_left=ahead.days_left,
            projected_usd=usd(ahead.projected_nano),
            target_usd=usd(ahead.target_nano),
            ok=ahead.ok,
        ),
        cache=CacheReport(
            savings_usd=usd(found.cache.nano),
            tokens_read=found.cache.read_tokens,
            tokens_written=found.cache.written_tokens,
            tokens_unpriced=found.cache.unpriced,
        ),
    )


class SpendingReport(Struct, frozen=True, kw_only=True):
    """Cost and savings of a workflow, a model or a day."""

    attempts: int
    succeeded: int
    errored: int
    tokens_in: int
    tokens_out: int
    web_searches: int
    fee_usd: float | None
    sync_usd: float | None
    cost_usd: float | None
    savings_usd: float | None
    duplicate_spend_usd: float | None
    unpriced: int


def spending_report(row: Spending) -> SpendingReport:
    """The sums of one row as JSON."""
    return SpendingReport(
        attempts=row.attempts,
        succeeded=row.succeeded,
        errored=row.errored,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        web_searches=row.web_searches,
        fee_usd=usd(row.fee_nano),
        sync_usd=usd(row.sync_cost_nano),
        cost_usd=usd(row.cost_nano),
        savings_usd=usd(row.savings_nano),
        duplicate_spend_usd=usd(row.duplicate_nano),
        unpriced=row.unpriced,
    )
