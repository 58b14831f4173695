"""`titan-console status`: what is open, what failed, what was saved."""

from datetime import datetime

import click

from core.clock import SystemClock
from core.config.settings import from_environment
from core.reporting import json_reports
from core.reporting.history import etas
from core.text import pluralize
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.operations import alerts, hook_runs, pauses
from state.queries import batch_list, ledger_status
from titan_console.cli.output import print_fields, print_json, print_table
from titan_console.text import eta_labels
from titan_console.text import format as cells


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def command(*, as_json: bool) -> None:
    """Show the open batches, the totals and what was saved."""
    now = SystemClock().now()
    with Reader(Folder(from_environment().home).ledger) as reader:
        if as_json:
            print_json(json_reports.status(reader, now_ts=to_text(now)))
        else:
            _print(reader, now)


def _print(source: Source, now: datetime) -> None:
    open_batches = batch_list.open_batches(source)
    if open_batches:
        found = etas(source, open_batches, now)
        print_table(
            ("STATUS", "BATCH", "TAG", "REQUESTS", "AGE", "ENDS IN", "DUE", "RISK", "TROUBLE"),
            (
                (
                    str(cells.status(batch)),
                    batch.key,
                    batch.tag,
                    cells.count(batch.request_count),
                    cells.age(batch, now),
                    eta_labels.ends(found[batch.key], now)[0],
                    cells.due(batch, now)[0],
                    str(eta_labels.risk(found[batch.key])),
                    cells.trouble(batch, now),
                )
                for batch in open_batches
            ),
        )
    else:
        click.echo("No batch is open.")
    click.echo()
    totals = ledger_status.totals(source)
    print_fields(
        [
            (
                "requests",
                (
                    f"{cells.count(totals.requests)} in"
                    f" {pluralize(totals.batches, 'batch', 'batches')}"
                ),
            ),
            ("queued", cells.count(totals.waiting_requests) if totals.waiting_requests else ""),
            ("failed", cells.count(totals.failed_requests) if totals.failed_requests else "none"),
            ("to review", f"{cells.count(totals.reviews)} answers" if totals.reviews else ""),
            ("spent", cells.sum_of_money(totals.cost_nano, totals.unpriced)),
            ("saved", cells.sum_of_money(totals.savings_nano, totals.unpriced)),
            ("paid twice", cells.money(totals.duplicate_nano) if totals.duplicate_nano else ""),
            ("orphans", _orphans(source)),
            *((f"alert: {alert.rule}", alert.message) for alert in alerts.raised(source)),
            ("poller", str(cells.heartbeat(ledger_status.poller(source), now))),
            *(
                (f"held: {hold.name}", f"until {hold.until_ts}: {hold.reason}")
                for hold in ledger_status.holds(source, now_ts=to_text(now))
            ),
            *((f"held: {p.workflow}", p.words) for p in pauses.paused(source)),
            *((f"after {run.file}", cells.settled_run(run)) for run in hook_runs.troubled(source)),
        ]
    )


def _orphans(source: Source) -> str:
    """Batches at the API that the ledger does not know."""
    suspects = len(orphans.with_verdict(source, OrphanVerdict.CANDIDATE))
    others = len(orphans.with_verdict(source, OrphanVerdict.UNKNOWN))
    if not suspects and not others:
        return ""
    return f"{others:,} not ours as far as is known, {suspects:,} that may be ours"
