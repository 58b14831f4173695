"""Plans a submission without making it: batches, bytes, cost and warnings."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from msgspec import Struct

from core.config.titan_tables import TitanToml
from core.intake import priming_plan
from core.intake.existing_submission import staged
from core.intake.options import ResolvedOptions, SubmitOptions, resolve_options
from core.intake.priming_plan import Primer
from core.intake.submit import checked_lines
from core.intake.warnings import RequestStats, warnings_for
from core.money import cache_costs
from core.money.budgets import CostSums
from core.money.cache_costs import CacheCosts, CacheCostsReport
from core.money.estimate import Estimate, History, ModelEstimate
from core.money.pricing import PriceBook, dollars, dollars_text, usd
from core.requests.batch_splitter import BatchSplitter
from core.requests.common_prefix import MARK_BYTES, PrefixFinder
from core.requests.common_prefix import at_most as as_marked
from core.requests.payload import Limits
from core.text import pluralize
from state.batches.priming_records import Stop
from state.model.records import OnFailure, SpooledRequest, Submission

# Thinking counts towards max_tokens; with less than this, little is left for the answer.
_SMALL_WITH_THINKING = 4096
RETENTION = "The API keeps results for 29 days."
_CACHE = (
    "1-hour caching: a cache write costs twice the input price, and requests in the same batch"
    " do not always read each other's. `titan-console savings --cache` shows what it gained or"
    " lost."
)
_LONG = (
    "Requests for more than 128,000 output tokens go in a batch of their own with the beta header;"
    " one may take more than an hour."
)
_UNBOUNDED = "The cost of {} has no upper bound: {}; the estimate counts {}."
_UNPRICED = "No price is known for {}; it is not included in the estimate."


class Earlier(Struct, frozen=True, kw_only=True):
    """What the ledger has of a workflow, or of these requests; without a ledger, nothing."""

    #: The 90th percentile of how long the batches of the workflow took. None: no history.
    usual: Callable[[str], timedelta | None] = lambda _workflow: None
    #: What its answers cost, compared at these prices.
    history: Callable[[str, PriceBook], History] = lambda _workflow, _prices: {}
    #: Why it is not primed.
    stop: Callable[[str], Stop | None] = lambda _workflow: None
    #: The submission that has exactly these requests under the tag. None: they are new.
    submission: Callable[[Sequence[SpooledRequest], str], Submission | None] | None = None


_NOTHING_EARLIER = Earlier()


class Plan(Struct, frozen=True, kw_only=True):
    """What one submission would be. The estimate is an upper bound.

    `existing` is the submission that already has these requests: nothing would be sent.
    """

    options: ResolvedOptions
    batches: int
    bytes: int
    estimate: Estimate
    sums: CostSums
    warnings: tuple[str, ...]
    cache: CacheCosts | None = None
    existing: Submission | None = None


def plan(
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    rules: TitanToml,
    limits: Limits,
    estimate: Estimate,
    earlier: Earlier = _NOTHING_EARLIER,
) -> Plan:
    """Validate every request as `submit` does, and add up.

    Raises PayloadError, SettingsError, and AlreadySubmitted where only some requests are new.
    """
    now = estimate.at
    resolved, requests = resolve_options(options, requests, rules, now=now)
    estimate = Estimate.begin(estimate.prices.of(resolved.lane), now)
    if lane := rules.lanes.get(resolved.lane):
        limits = lane.limits(limits)
    usual = earlier.usual(resolved.workflow)
    estimate.unbounded_nano = rules.unbounded_nano(resolved.job)
    primer = priming_plan.begin(
        resolved, now=now, usual=usual, stop=earlier.stop(resolved.workflow)
    )
    finder = primer.finder if isinstance(primer, Primer) else None
    uncached = Estimate.begin(estimate.prices, now, unbounded_nano=estimate.unbounded_nano)
    splitter, stats = BatchSplitter(limits, extra=MARK_BYTES if finder else 0), RequestStats()
    sums = CostSums.begin(estimate.prices, now, unbounded_nano=estimate.unbounded_nano)
    has_cache, short_on_tokens = False, 0
    compared: list[SpooledRequest] = []
    for line in checked_lines(requests, resolved, limits, stats=stats):
        stats.add(line)
        if earlier.submission is not None:
            compared.append(staged(line))
        splitter.assign(line)
        if finder is not None:
            finder.add(line)
            uncached.add(line)
        estimate.add(as_marked(line) if finder else line)
        sums.add(as_marked(line) if finder else line)
        has_cache = has_cache or b'"cache_control"' in line.body
        short_on_tokens += _is_short_on_tokens(line.body)
    existing = earlier.submission(compared, resolved.tag) if earlier.submission else None
    if existing:
        return _of_existing(existing, resolved, estimate)
    past = earlier.history(resolved.workflow, estimate.prices)
    estimate.expect(past)
    if finder is not None:
        uncached.expect(past)
        priming_plan.expect(estimate, finder.prefixes(), uncached, past)
    return Plan(
        options=resolved,
        batches=splitter.batches + (len(_first_batches(finder)) if finder else 0),
        bytes=splitter.bytes,
        estimate=estimate,
        sums=sums,
        warnings=(
            *_plan_warnings(stats, estimate, has_cache=has_cache, short_on_tokens=short_on_tokens),
            *warnings_for(
                stats, resolved, now=now, usual=usual, priced=rules.prices_of(resolved.lane)
            ),
            *priming_plan.lines(primer),
        ),
        cache=_cache_costs(finder, uncached) if finder else None,
    )


def _of_existing(existing: Submission, options: ResolvedOptions, estimate: Estimate) -> Plan:
    return Plan(
        options=options,
        batches=0,
        bytes=0,
        estimate=Estimate.begin(estimate.prices, estimate.at),
        sums=CostSums.begin(estimate.prices, estimate.at),
        warnings=(),
        existing=existing,
    )


def _first_batches(finder: PrefixFinder) -> set[tuple[str, ...]]:
    """The beta headers of each batch of requests that are sent first."""
    return {prefix.betas for prefix in finder.prefixes()}


def _cache_costs(finder: PrefixFinder, uncached: Estimate) -> CacheCosts | None:
    prefixes = finder.prefixes()
    if not prefixes:
        return None
    return cache_costs.costs(prefixes, uncached.batch_nano, uncached.prices, uncached.at)


def _plan_warnings(
    stats: RequestStats, estimate: Estimate, *, has_cache: bool, short_on_tokens: int
) -> Iterable[str]:
    yield RETENTION
    if has_cache:
        yield _CACHE
    if short_on_tokens:
        yield (
            f"{short_on_tokens:,} of the requests use thinking with a max_tokens under"
            f" {_SMALL_WITH_THINKING:,} or not above budget_tokens: the answer may be truncated,"
            " and is billed."
        )
    if stats.batch_only:
        yield _LONG
    if estimate.unbounded:
        yield _unbounded(estimate)
    if estimate.unpriced:
        yield _UNPRICED.format(", ".join(sorted(estimate.unpriced)))


def _unbounded(estimate: Estimate) -> str:
    cap = estimate.unbounded_nano
    counts = "their other parts" if cap is None else f"{dollars_text(cap)} for each"
    many = pluralize(sum(estimate.unbounded.values()), "request")
    return _UNBOUNDED.format(many, ", ".join(estimate.unbounded), counts)


def _is_short_on_tokens(body: bytes) -> bool:
    """Whether the request uses thinking and leaves few tokens for the answer."""
    if b'"thinking"' not in body:
        return False
    params: dict[str, Any] = msgspec.json.decode(body)["params"]
    found: object = params.get("thinking")
    if not isinstance(found, dict):
        return False
    thinking = cast("dict[str, Any]", found)
    if thinking.get("type") == "disabled":
        return False
    most: int = params["max_tokens"]
    budget = thinking.get("budget_tokens")
    return most < _SMALL_WITH_THINKING or (isinstance(budget, int) and budget >= most)


class ModelReport(Struct, frozen=True, kw_only=True):
    """The requests of one model. Dollars are None where they are not known."""

    model: str
    request_count: int
    input_tokens: int
    output_tokens: int
    batch_usd: float | None
    sync_usd: float | None
    expected_batch_usd: float | None
    expected_sync_usd: float | None


class DryRunReport(Struct, frozen=True, kw_only=True):
    """The plan as JSON. Tokens and dollars are upper bounds, the expected ones are not.

    `caveats` is the old `warnings`.
    """

    tag: str
    workflow: str
    job: str | None
    model: str
    deadline_ts: str | None
    on_failure: OnFailure
    lane: str
    request_count: int
    repeated: bool
    submission_id: str | None
    batches: int
    bytes: int
    input_tokens: int
    output_tokens: int
    batch_usd: float
    sync_usd: float
    upper_estimate: bool
    expected_batch_usd: float | None
    expected_sync_usd: float | None
    models: list[ModelReport]
    unpriced: list[str]
    unbounded: dict[str, int]
    cache: CacheCostsReport | None
    warnings: list[str]
    caveats: list[str]


def report(found: Plan) -> DryRunReport:
    """The plan as JSON."""
    estimate, existing = found.estimate, found.existing
    return DryRunReport(
        tag=found.options.tag,
        workflow=found.options.workflow,
        job=found.options.job,
        model=found.options.model,
        deadline_ts=found.options.deadline_ts,
        on_failure=found.options.on_failure,
        lane=existing.lane if existing else found.options.lane,
        request_count=existing.request_count if existing else estimate.requests,
        repeated=existing is not None,
        submission_id=existing and existing.key,
        batches=found.batches,
        bytes=found.bytes,
        input_tokens=estimate.tokens_in,
        output_tokens=estimate.tokens_out,
        batch_usd=float(dollars(estimate.batch_nano)),
        sync_usd=float(dollars(estimate.sync_nano)),
        upper_estimate=True,
        expected_batch_usd=usd(estimate.expected_batch_nano),
        expected_sync_usd=usd(estimate.expected_sync_nano),
        models=[_model_report(estimate, name, sums) for name, sums in estimate.models.items()],
        unpriced=sorted(estimate.unpriced),
        unbounded=estimate.unbounded,
        cache=cache_costs.report(found.cache),
        warnings=list(found.warnings),
        caveats=list(found.warnings),
    )


def _model_report(estimate: Estimate, model: str, sums: ModelEstimate) -> ModelReport:
    known = model not in estimate.unpriced
    return ModelReport(
        model=model,
        request_count=sums.requests,
        input_tokens=sums.tokens_in,
        output_tokens=sums.tokens_out,
        batch_usd=usd(sums.batch_nano) if known else None,
        sync_usd=usd(sums.sync_nano) if known else None,
        expected_batch_usd=usd(sums.expected_batch_nano),
        expected_sync_usd=usd(sums.expected_sync_nano),
    )
