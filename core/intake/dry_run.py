"""Plans a submission without making it: batches, bytes, cost and warnings."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, cast

import msgspec
from msgspec import Struct

from core.config.catalogue import Catalogue
from core.intake.options import ResolvedOptions, SubmitOptions, resolve_options
from core.intake.submit import checked_lines
from core.intake.warnings import RequestStats, warnings_for
from core.money.budgets import Sums
from core.money.estimate import Estimate
from core.money.pricing import dollars
from core.requests.batch_splitter import BatchSplitter
from core.requests.payload import Limits
from state.model.records import OnFailure

# Thinking counts towards max_tokens; with less than this, little is left for the answer.
_SMALL_WITH_THINKING = 4096
RETENTION = "The API keeps results for 29 days; a poll every 15 minutes downloads them long before."
_CACHE = (
    "1-hour caching: cache hits are best effort (30 to 98 %), and a batch may run longer than an"
    " hour. A cache write costs twice the input price."
)
_LONG = (
    "Requests with up to 300,000 output tokens go in a batch of their own with the beta header; one"
    " may take more than an hour."
)
_UNPRICED = "No price is known for {}; the estimate leaves it out."


class Plan(Struct, frozen=True, kw_only=True):
    """What one submission would be. The estimate is an upper bound."""

    options: ResolvedOptions
    batches: int
    bytes: int
    estimate: Estimate
    sums: Sums
    warnings: tuple[str, ...]


def plan(
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    rules: Catalogue,
    limits: Limits,
    estimate: Estimate,
    usual: Callable[[str], timedelta | None] = lambda _workflow: None,
) -> Plan:
    """Validate every request as `submit` does, and add up. Raises PayloadError, SettingsError.

    `usual(workflow)` is the 90th percentile of how long its batches took, None without history.
    """
    now = estimate.at
    resolved, requests = resolve_options(options, requests, rules, now=now)
    splitter, stats = BatchSplitter(limits), RequestStats()
    sums = Sums.begin(estimate.prices, now)
    has_cache, short_on_tokens = False, 0
    for line in checked_lines(requests, resolved, limits):
        stats.add(line)
        splitter.assign(line)
        estimate.add(line)
        sums.add(line)
        has_cache = has_cache or b'"cache_control"' in line.body
        short_on_tokens += _is_short_on_tokens(line.body)
    return Plan(
        options=resolved,
        batches=splitter.batches,
        bytes=splitter.bytes,
        estimate=estimate,
        sums=sums,
        warnings=(
            *_plan_warnings(stats, estimate, has_cache=has_cache, short_on_tokens=short_on_tokens),
            *warnings_for(
                stats, resolved, now=now, usual=usual(resolved.workflow), priced=rules.prices
            ),
        ),
    )


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
    if estimate.unpriced:
        yield _UNPRICED.format(", ".join(sorted(estimate.unpriced)))


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


class DryRunReport(Struct, frozen=True, kw_only=True):
    """The plan as JSON. Tokens and dollars are upper estimates. `caveats` is the old `warnings`."""

    tag: str
    workflow: str
    job: str | None
    model: str
    deadline_ts: str | None
    on_failure: OnFailure
    request_count: int
    batches: int
    bytes: int
    input_tokens: int
    output_tokens: int
    batch_usd: float
    sync_usd: float
    upper_estimate: bool
    unpriced: list[str]
    warnings: list[str]
    caveats: list[str]


def report(found: Plan) -> DryRunReport:
    """The plan as JSON."""
    estimate = found.estimate
    return DryRunReport(
        tag=found.options.tag,
        workflow=found.options.workflow,
        job=found.options.job,
        model=found.options.model,
        deadline_ts=found.options.deadline_ts,
        on_failure=found.options.on_failure,
        request_count=estimate.requests,
        batches=found.batches,
        bytes=found.bytes,
        input_tokens=estimate.tokens_in,
        output_tokens=estimate.tokens_out,
        batch_usd=float(dollars(estimate.batch_nano)),
        sync_usd=float(dollars(estimate.sync_nano)),
        upper_estimate=True,
        unpriced=sorted(estimate.unpriced),
        warnings=list(found.warnings),
        caveats=list(found.warnings),
    )
