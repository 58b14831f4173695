"""Shows how the cost of an attempt was calculated: tokens, rates, fees, formula, ledger figures."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from core.money.pricing import (
    REGION_PERCENT,
    WEB_SEARCH_NANO,
    PriceBook,
    Rates,
    dollars,
    is_half,
    parts,
    prompt_tokens,
    usd,
)
from state.model.records import BatchKind, Outcome
from state.model.timestamps import from_text
from state.model.usage import Iteration, Tokens, Usage
from state.queries.spending import PricedAttempt

_PICO_PER_DOLLAR_PER_MTOK = Decimal(1_000_000)
_KINDS = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache write 5m", "cache_write_5m_tokens"),
    ("cache write 1h", "cache_write_1h_tokens"),
    ("cache read", "cache_read_tokens"),
)


class Part(Struct, frozen=True, kw_only=True):
    """Tokens of one kind, and the price in dollars for a million, that of the region included."""

    kind: str
    model: str
    tokens: int
    usd_per_mtok: Decimal

    @property
    def sync_usd(self) -> Decimal:
        """The exact synchronous cost in dollars."""
        return self.tokens * self.usd_per_mtok / 1_000_000


class Fee(Struct, frozen=True, kw_only=True):
    """What is billed by number, in batches and synchronously alike."""

    kind: str
    count: int
    usd_each: Decimal

    @property
    def usd(self) -> Decimal:
        """The exact cost in dollars."""
        return self.count * self.usd_each


class Explanation(Struct, frozen=True, kw_only=True):
    """One attempt: its parts and fees, and the cost calculated from them in nano-dollars."""

    attempt: PricedAttempt
    parts: tuple[Part, ...] = ()
    fees: tuple[Fee, ...] = ()
    cost_nano: int | None
    sync_cost_nano: int | None
    formula: str

    @property
    def agrees(self) -> bool:
        """Whether the ledger has the same cost."""
        found = self.attempt.cost_nano, self.attempt.sync_cost_nano
        return found == (self.cost_nano, self.sync_cost_nano)


def explain(attempt: PricedAttempt, prices: PriceBook) -> Explanation:
    """Calculate the cost of one attempt again."""
    if attempt.outcome != Outcome.SUCCEEDED:
        return Explanation(
            attempt=attempt,
            cost_nano=0,
            sync_cost_nano=0,
            formula=f"{attempt.outcome}: only succeeded requests are billed",
        )
    at, usage, prices = from_text(attempt.priced_ts), attempt.usage, prices.of(attempt.lane)
    charge = prices.charge(attempt.model, usage, at=at, kind=attempt.kind)
    known = charge.unpriced is None
    return Explanation(
        attempt=attempt,
        parts=tuple(_parts(attempt.model, usage, prices, at)),
        fees=_fees(usage),
        cost_nano=charge.cost_nano,
        sync_cost_nano=0 if attempt.is_duplicate else charge.sync_cost_nano,
        formula=_formula(attempt) if known else f"unpriced: {charge.unpriced}",
    )


def _formula(attempt: PricedAttempt) -> str:
    cost = "sum / 2" if is_half(attempt.usage, attempt.kind) else "sum"
    sync, because = "sum", ""
    if fees := _fees(attempt.usage):
        names = " and ".join(fee.kind for fee in fees)
        cost, sync, because = f"{cost} + fees", "sum + fees", f"; {names} cost the same in both"
    if attempt.is_duplicate:
        sync, because = "0", ", the request already had a result"
    return f"cost = {cost}; sync = {sync}{because}; saved = sync - cost"


def _parts(model: str, usage: Usage, prices: PriceBook, at: datetime) -> Iterator[Part]:
    percent = REGION_PERCENT.get(usage.inference_geo)
    if usage.unknown or percent is None:
        return
    for part_model, found in parts(model, usage):
        rates = prices.rates(
            part_model, prompt_tokens=prompt_tokens(found), at=at, fast=usage.speed == "fast"
        )
        if rates is not None:
            yield from _lines(part_model, found, rates, percent)


def _lines(model: str, found: Tokens, rates: Rates, percent: int) -> Iterator[Part]:
    prices = (
        *(rates.input, rates.output, rates.cache_write_5m),
        *(rates.cache_write_1h, rates.cache_read),
    )
    source = f"{found.type.removesuffix('_message')} " if isinstance(found, Iteration) else ""
    for (kind, name), price in zip(_KINDS, prices, strict=True):
        if tokens := int(getattr(found, name)):
            rate = price * percent / (100 * _PICO_PER_DOLLAR_PER_MTOK)
            yield Part(
                kind=f"{source}{kind}", model=model, tokens=tokens, usd_per_mtok=rate.normalize()
            )


def _fees(usage: Usage) -> tuple[Fee, ...]:
    if not usage.web_searches:
        return ()
    each = dollars(WEB_SEARCH_NANO).normalize()
    return (Fee(kind="web searches", count=usage.web_searches, usd_each=each),)


class PartReport(Struct, frozen=True, kw_only=True):
    """One kind of tokens at its synchronous price."""

    kind: str
    model: str
    tokens: int
    usd_per_mtok: float
    sync_usd: float


class FeeReport(Struct, frozen=True, kw_only=True):
    """One fee."""

    kind: str
    count: int
    usd_each: float
    usd: float


class ExplanationReport(Struct, frozen=True, kw_only=True):
    """How the cost of one attempt was calculated. Dollars are None where the price is unknown."""

    custom_id: str
    tag: str
    workflow: str
    batch_id: str
    kind: BatchKind
    outcome: Outcome
    model: str | None
    priced_ts: str
    inference_geo: str | None
    service_tier: str | None
    speed: str | None
    parts: list[PartReport]
    fees: list[FeeReport]
    cost_usd: float | None
    sync_usd: float | None
    savings_usd: float | None
    formula: str
    ledger_agrees: bool


def report(found: Explanation) -> ExplanationReport:
    """The explanation as JSON."""
    attempt, cost, sync = found.attempt, found.cost_nano, found.sync_cost_nano
    known = cost is not None and sync is not None
    return ExplanationReport(
        custom_id=attempt.custom_id,
        tag=attempt.tag,
        workflow=attempt.workflow,
        batch_id=attempt.batch_key,
        kind=attempt.kind,
        outcome=attempt.outcome,
        model=attempt.model,
        priced_ts=attempt.priced_ts,
        inference_geo=attempt.usage.inference_geo,
        service_tier=attempt.usage.service_tier,
        speed=attempt.usage.speed,
        parts=[
            PartReport(
                kind=part.kind,
                model=part.model,
                tokens=part.tokens,
                usd_per_mtok=float(part.usd_per_mtok),
                sync_usd=float(part.sync_usd),
            )
            for part in found.parts
        ],
        fees=[
            FeeReport(
                kind=fee.kind,
                count=fee.count,
                usd_each=float(fee.usd_each),
                usd=float(fee.usd),
            )
            for fee in found.fees
        ],
        cost_usd=usd(cost) if known else None,
        sync_usd=usd(sync) if known else None,
        savings_usd=usd((sync or 0) - (cost or 0)) if known else None,
        formula=found.formula,
        ledger_agrees=found.agrees,
    )
