"""`titan-console kpis`: the five figures with their targets."""

from datetime import timedelta

import click

from core import titan_file
from core.clock import SystemClock
from core.history import History
from core.kpis import MONTH_DAYS, Kpi, as_json, kpis, shown
from core.settings import from_environment
from state.folder import Folder
from state.reader import Reader
from titan_console import format as cells
from titan_console.output import print_json, print_table

_GLYPHS = {True: "✓ met", False: "✗ missed", None: cells.NOTHING}


@click.command
@click.option("--days", type=click.IntRange(1, 3650), default=MONTH_DAYS, show_default=True)
@click.option("--by-workflow", is_flag=True, help="The same for each workflow too.")
@click.option("--json", "as_json_", is_flag=True, help="Print it as one JSON object.")
def command(*, days: int, by_workflow: bool, as_json_: bool) -> None:
    """Show the five figures that say whether the move to batches pays, with their targets.

    Days are UTC days, today's among them. The batch share is of the tokens of jobs that may be
    batched; requests that expired or were missing count as errored.
    """
    folder = Folder(from_environment().home)
    never = titan_file.read(folder).never_batch
    since = (SystemClock().now() - timedelta(days=days - 1)).date().isoformat()
    with Reader(folder.ledger) as reader:
        history = History(
            reader,
            since_day=since,
            is_batchable=lambda workflow: never.reason_for([workflow]) is None,
        )
    overall = kpis(history.facts(), days=days)
    parts = {name: kpis(history.facts(name), days=days) for name in history.workflows()}
    if as_json_:
        workflows = {name: as_json(found) for name, found in parts.items()}
        print_json(
            {**as_json(overall), "days": days, **({"workflows": workflows} if by_workflow else {})}
        )
        return
    _print(overall)
    for name, found in parts.items() if by_workflow else ():
        click.echo()
        _print(found, name)


def _print(found: tuple[Kpi, ...], workflow: str = "") -> None:
    print_table(
        ("KPI", "VALUE", "TARGET", workflow),
        ((kpi.title, _value(kpi), target(kpi), _GLYPHS[kpi.ok]) for kpi in found),
    )


def _value(kpi: Kpi) -> str:
    return cells.NOTHING if kpi.value is None else shown(kpi, kpi.value)


def target(kpi: Kpi) -> str:
    """The target as a bound."""
    return f"{'≥' if kpi.is_floor else '≤'} {shown(kpi, kpi.target)}"
