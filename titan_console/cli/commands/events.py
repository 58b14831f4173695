"""`titan-console events`: the audit log, newest first."""

from collections.abc import Mapping

import click
from msgspec import Struct

from core.clock import SystemClock
from core.config.settings import from_environment
from core.money.pricing import usd
from core.reporting.since import parse_since
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.queries import event_list
from state.queries.event_list import AuditLine
from titan_console.cli.output import print_json, print_table
from titan_console.text import event_labels


class EventReport(Struct, frozen=True, kw_only=True):
    """One entry of the audit log. The keys of `detail` depend on the kind."""

    id: int
    at: str
    actor: str
    kind: str
    batch_id: str | None
    tag: str | None
    subject: str | None
    cost_usd: float | None
    detail: Mapping[str, object]


@click.command
@click.option("--since", help="1h, today, 30d, or a UTC date; without it, the newest ones.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, since: str | None, limit: int, as_json: bool) -> None:
    """Print the audit log, newest first: who did what when, why, and what came of it."""
    since_ts = to_text(parse_since(since, SystemClock().now())) if since else ""
    with Reader(Folder(from_environment().home).ledger) as reader:
        found = event_list.latest(reader, since_ts=since_ts, limit=limit)
    if as_json:
        for line in found:
            print_json(_report(line))
        return
    if not found:
        click.echo("Nothing has happened in that time.")
        return
    print_table(
        ("WHEN", "WHAT", "ABOUT", "WHO", "WHY", "COST", "OUTCOME"),
        (
            (
                line.event.at,
                str(event_labels.what(line.event.kind)),
                event_labels.concerns(line),
                line.event.actor,
                event_labels.why(line.event.detail),
                event_labels.cost(line),
                event_labels.outcome(line.event.detail),
            )
            for line in found
        ),
    )


def _report(line: AuditLine) -> EventReport:
    event = line.event
    return EventReport(
        id=event.id,
        at=event.at,
        actor=event.actor,
        kind=event.kind,
        batch_id=event.batch_key,
        tag=line.tag,
        subject=event.subject,
        cost_usd=None if line.unpriced else usd(line.cost_nano),
        detail=event.detail,
    )
