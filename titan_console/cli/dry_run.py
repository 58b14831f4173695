"""Prints what `submit` would do without doing it."""

from collections.abc import Iterable
from contextlib import ExitStack

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import from_environment
from core.intake import dry_run as planned
from core.intake.dry_run import Plan, plan
from core.intake.options import SubmitOptions
from core.money.budgets import check
from core.money.estimate import Estimate
from core.money.pricing import PriceBook
from state.batches import budget_reservations
from state.db.reader import Reader
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
from state.operations.deadlines import usual_turnaround
from titan_console.cli.output import echo, print_fields, print_json
from titan_console.text import format as cells


def show_plan(requests: Iterable[object], options: SubmitOptions, *, as_json: bool) -> None:
    """Print the plan. Raises like `submit`: PayloadError, Denylisted, OverBudget."""
    folder = Folder(from_environment().home)
    rules = titan_file.read(folder)
    now = SystemClock().now()
    with ExitStack() as opened:
        reader = (
            opened.enter_context(Reader(folder.ledger)) if ledger_exists(folder.ledger) else None
        )
        found = plan(
            requests,
            options,
            rules=rules,
            limits=rules.limits.limits(),
            estimate=Estimate.begin(PriceBook(rules.prices), now),
            usual=lambda workflow: usual_turnaround(reader, workflow) if reader else None,
        )
        check(
            rules.budgets,
            [found.sums.wanted(found.options.workflow, found.options.tag)],
            lambda scope: budget_reservations.reserved(reader, scope) if reader else 0,
            day=now.date().isoformat(),
        )
    _print(found, as_json=as_json)


def _print(found: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(planned.report(found))
        return
    estimate = found.estimate
    unpriced = len(estimate.unpriced)
    print_fields(
        [
            ("tag", found.options.tag),
            ("workflow", found.options.workflow),
            *((("job", found.options.job),) if found.options.job else ()),
            ("model", found.options.model),
            ("deadline", cells.moment(found.options.deadline_ts)),
            ("requests", cells.count(estimate.requests)),
            ("batches", cells.count(found.batches)),
            ("bytes", cells.size(found.bytes)),
            (
                "tokens in",
                f"at most about {cells.count(estimate.tokens_in)} (from the size)",
            ),
            ("tokens out", f"at most {cells.count(estimate.tokens_out)} (sum of max_tokens)"),
            ("as batches", f"at most about {cells.sum_of_money(estimate.batch_nano, unpriced)}"),
            ("synchronously", f"at most about {cells.sum_of_money(estimate.sync_nano, unpriced)}"),
            *(("warning", warning) for warning in found.warnings),
        ]
    )
    echo("Nothing was sent.")
