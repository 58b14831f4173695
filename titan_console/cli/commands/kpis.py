"""`titan-console kpis`: the KPIs with their targets."""

from collections.abc import Mapping

import click

from core.config.settings import from_environment
from core.money.kpis import MONTH_DAYS, Kpi, KpiReport, report, shown
from core.money.pricing import usd
from core.reporting import history
from core.reporting.history import KpiMonth, Kpis
from core.reporting.ledger_time import ledger_now
from state.db.opening import open_reader
from titan_console.cli.output import echo, print_fields, print_json, print_table
from titan_console.text import format as cells
from titan_console.text.batch_share import share_basis

_GLYPHS = {True: "✓ met", False: "✗ missed", None: cells.NOTHING}


@click.command
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=MONTH_DAYS,
    show_default=True,
    help="Number of days, including today.",
)
@click.option("--by-workflow", is_flag=True, help="Also show each workflow.")
@click.option("--by-day", is_flag=True, help="With --json: also include each day.")
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object.")
def command(*, days: int, by_workflow: bool, by_day: bool, as_json_: bool) -> None:
    """Show the KPIs with their targets.

    They are the batch share, savings, turnaround, error rate and synchronous runs. Days are UTC
    days, including today. The batch share is the share of batchable tokens that ran in batches:
    those that the ledger recorded, and the month of each job in titan.toml and in the last `scan
    --write` that has no record. Jobs that are never batched are left out. The turnaround of a batch
    is from its submission until its results were collected. The error rate counts
    errored, expired and missing attempts, but not canceled ones. Synchronous runs are those for a
    deadline, after a failed create or by `sync`. Targets for dollars and synchronous runs are for
    all workflows together.
    """
    folder = from_environment().folder
    fleet = history.fleet_in(folder)
    with open_reader(folder) as reader:
        found = history.kpi_month(reader, fleet, ledger_now(reader).date(), days=days)
    if as_json_:
        print_json(_report(found, by_workflow=by_workflow, by_day=by_day))
        return
    _print(found.overall)
    print_fields(
        [
            ("batchable tokens", share_basis(found)),
            (f"spent ({days} d)", cells.sum_of_money(found.cost_nano, found.unpriced)),
            ("fees", cells.fees_in_sum(found.fee_nano)),
        ]
    )
    for name, part in found.by_workflow.items() if by_workflow else ():
        echo()
        _print(part, name)


def _report(found: KpiMonth, *, by_workflow: bool, by_day: bool) -> dict[str, object]:
    printed: dict[str, object] = {
        **report(found.overall),
        "days": found.days,
        "cost_usd": usd(found.cost_nano),
        "fee_usd": usd(found.fee_nano),
        "unpriced": found.unpriced,
        "batchable": {
            "batch_tokens": found.batch_tokens,
            "sync_tokens": found.sync_tokens,
            "unmoved_tokens": found.unmoved.total,
            "unmoved_measured_tokens": found.unmoved.measured_tokens,
            "unmoved": list(found.unmoved.tokens),
            "without_figures": list(found.unmoved.unknown),
            "scanned_ts": found.scanned_ts,
        },
    }
    if by_workflow:
        printed["workflows"] = _reports(found.by_workflow)
    if by_day:
        printed["by_day"] = _reports(found.by_day)
    return printed


def _reports(parts: Mapping[str, Kpis]) -> dict[str, dict[str, KpiReport]]:
    return {name: report(part) for name, part in parts.items()}


def _print(found: tuple[Kpi, ...], workflow: str = "") -> None:
    print_table(
        ("KPI", "VALUE", "TARGET", workflow),
        (
            (kpi.title, _value(kpi), cells.NOTHING, "")
            if workflow and kpi.is_sum
            else (kpi.title, _value(kpi), target(kpi), _GLYPHS[kpi.ok])
            for kpi in found
        ),
    )


def _value(kpi: Kpi) -> str:
    return cells.NOTHING if kpi.value is None else shown(kpi, kpi.value)


def target(kpi: Kpi) -> str:
    """The target with its comparison sign."""
    return f"{'≥' if kpi.is_floor else '≤'} {shown(kpi, kpi.target)}"
