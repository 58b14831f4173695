"""Shows how the cost of an attempt was calculated: tokens, rates, formula, ledger figures."""

from decimal import Decimal

from msgspec import Struct

from core.money.pricing import PriceBook, Rates, prompt_tokens, usd
from state.model.records import BatchKind, Outcome, Usage
from state.model.timestamps import from_text
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
    """Tokens of one kind, and the standard price in dollars for a million."""

    kind: str
    tokens: int
    usd_per_mtok: Decimal

    @property
    def sync_usd(self) -> Decimal:
        """The exact synchronous cost in dollars."""
        return self.tokens * self.usd_per_mtok / 1_000_000


class Explanation(Struct, frozen=True, kw_only=True):
    """One attempt: its parts, and the cost calculated from them in nano-dollars."""

    attempt: PricedAttempt
    parts: tuple[Part, ...]
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
    at = from_text(attempt.priced_ts)
    if attempt.outcome != Outcome.SUCCEEDED:
        return Explanation(
            attempt=attempt,
            parts=(),
            cost_nano=0,
            sync_cost_nano=0,
            formula=f"{attempt.outcome}: only succeeded requests are billed",
        )
    if attempt.cost_nano is None and attempt.usage == Usage():
        return Explanation(
            attempt=attempt,
            parts=(),
            cost_nano=None,
            sync_cost_nano=attempt.sync_cost_nano,
            formula="the API reported no usable usage or no model; its cost is unknown",
        )
    cost, sync = prices.price(attempt.model, attempt.usage, at=at, kind=attempt.kind)
    rates = prices.rates(attempt.model, prompt_tokens=prompt_tokens(attempt.usage), at=at)
    if rates is None:
        formula = f"{attempt.model} has no price on {attempt.priced_ts[:10]}; its cost is unknown"
    else:
        formula = _formula(attempt)
    return Explanation(
        attempt=attempt,
        parts=_parts(attempt.usage, rates) if rates else (),
        cost_nano=cost,
        sync_cost_nano=0 if attempt.is_duplicate and sync is not None else sync,
        formula=formula,
    )


def _formula(attempt: PricedAttempt) -> str:
    half = " / 2" if attempt.kind == BatchKind.BATCH else ""
    if attempt.is_duplicate:
        return f"cost = sum{half}; sync = 0, the request already had a result; saved = sync - cost"
    return f"cost = sum{half}; sync = sum; saved = sync - cost"


def _parts(usage: Usage, rates: Rates) -> tuple[Part, ...]:
    prices = (
        *(rates.input, rates.output, rates.cache_write_5m),
        *(rates.cache_write_1h, rates.cache_read),
    )
    return tuple(
        Part(
            kind=kind,
            tokens=tokens,
            usd_per_mtok=(price / _PICO_PER_DOLLAR_PER_MTOK).normalize(),
        )
        for (kind, name), price in zip(_KINDS, prices, strict=True)
        if (tokens := int(getattr(usage, name)))
    )


class PartReport(Struct, frozen=True, kw_only=True):
    """One kind of tokens at its synchronous price."""

    kind: str
    tokens: int
    usd_per_mtok: float
    sync_usd: float


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
    parts: list[PartReport]
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
        parts=[
            PartReport(
                kind=part.kind,
                tokens=part.tokens,
                usd_per_mtok=float(part.usd_per_mtok),
                sync_usd=float(part.sync_usd),
            )
            for part in found.parts
        ],
        cost_usd=usd(cost) if known else None,
        sync_usd=usd(sync) if known else None,
        savings_usd=usd((sync or 0) - (cost or 0)) if known else None,
        formula=found.formula,
        ledger_agrees=found.agrees,
    )
