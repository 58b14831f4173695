"""Prints what `submit` would do without doing it."""

from collections.abc import Iterable

from core.clock import SystemClock
from core.config.settings import from_environment
from core.intake import dry_run as planned
from core.intake.dry_run import Plan
from core.intake.options import SubmitOptions
from core.intake.submission_plan import make_plan
from core.money.estimate import Estimate, ModelEstimate
from core.text import pluralize
from state.model.records import Submission
from titan_console.cli.output import echo, print_fields, print_json
from titan_console.text import format as cells

_PER_BYTE = "(one per byte of the params, plus what server tools add)"


def show_plan(requests: Iterable[object], options: SubmitOptions, *, as_json: bool) -> None:
    """Print the plan. Raises what `core.intake.submission_plan.make_plan` raises."""
    now, folder = SystemClock().now(), from_environment().folder
    _print(make_plan(folder, requests, options, now=now), as_json=as_json)


def _print(found: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(planned.report(found))
        return
    if found.existing:
        _print_existing(found.existing)
        return
    print_fields(plan_fields(found))
    echo("Nothing was sent.")


def plan_fields(found: Plan) -> list[tuple[str, str]]:
    """The plan as it is shown to people, a name and a text each."""
    estimate = found.estimate
    is_open = bool(estimate.unpriced or (estimate.unbounded and not estimate.is_capped))
    return [
        ("tag", found.options.tag),
        ("workflow", found.options.workflow),
        *((("job", found.options.job),) if found.options.job else ()),
        ("lane", cells.lane(found.options.lane)),
        *(("model", _model(name, sums, estimate)) for name, sums in estimate.models.items()),
        ("deadline", cells.moment(found.options.deadline_ts)),
        ("requests", cells.count(estimate.requests)),
        ("batches", cells.count(found.batches)),
        ("size", cells.size(found.bytes)),
        ("tokens in", f"at most {cells.count(estimate.tokens_in)} {_PER_BYTE}"),
        ("tokens out", f"at most {cells.count(estimate.tokens_out)} (sum of max_tokens)"),
        ("as batches", _cost(estimate.batch_nano, estimate.expected_batch_nano, is_open)),
        ("synchronously", _cost(estimate.sync_nano, estimate.expected_sync_nano, is_open)),
        *_cache(found),
        *(
            ("note" if warning == planned.RETENTION else "warning", warning)
            for warning in found.warnings
        ),
    ]


def _print_existing(existing: Submission) -> None:
    print_fields(
        [
            ("tag", existing.tag),
            ("workflow", existing.workflow),
            ("lane", cells.lane(existing.lane)),
            ("submission", f"{existing.key}, submitted {existing.created_ts}"),
            ("requests", f"{existing.request_count:,}, all of them already submitted"),
        ]
    )
    echo("Nothing was sent, and a submit would send nothing.")


def _cache(found: Plan) -> list[tuple[str, str]]:
    """The three costs of a primed submission; which of those with a cache comes true is measured.

    They count each byte of the prompts as a token, as the upper bound does.
    """
    costs = found.cache
    if costs is None:
        return []
    return [
        ("uncached", f"at most {cells.money(costs.uncached_nano)}"),
        ("cold cache", f"at most {cells.money(costs.cold_nano)} (every request writes the prefix)"),
        ("primed", f"at most {cells.money(costs.primed_nano)} (all but the first read it)"),
    ]


def _model(name: str, sums: ModelEstimate, estimate: Estimate) -> str:
    cost = _cost(sums.batch_nano, sums.expected_batch_nano, name in estimate.unpriced)
    return f"{name}: {pluralize(sums.requests, 'request')}, {cost} as batches"


def _cost(most: int, expected: int | None, is_open: bool) -> str:
    """Both figures; `is_open`: a part of the cost has no known bound."""
    found = f"at most {cells.money(most)}"
    if is_open:
        # A part of it may cost any sum.
        found = f"unknown; the known part {found}" if most else "price unknown"
    return found if expected is None else f"{found}, expected about {cells.money(expected)}"
