"""`titan-console events`: the audit log, newest first."""

import click

from core.clock import SystemClock
from core.reports import usd
from core.settings import from_environment
from core.since import parse_since
from state import audit_views
from state.audit_views import AuditLine
from state.folder import Folder
from state.reader import Reader
from state.timestamps import to_text
from titan_console import audit_words
from titan_console.output import print_json, print_table


@click.command
@click.option("--since", help="1h, today, 30d, or a UTC date; without it, the newest ones.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, since: str | None, limit: int, as_json: bool) -> None:
    """Print the audit log, newest first: who did what when, why, and what came of it."""
    since_ts = to_text(parse_since(since, SystemClock().now())) if since else ""
    with Reader(Folder(from_environment().home).ledger) as reader:
        found = audit_views.latest(reader, since_ts=since_ts, limit=limit)
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
                str(audit_words.what(line.event.kind)),
                audit_words.concerns(line),
                line.event.actor,
                audit_words.why(line.event.detail),
                audit_words.cost(line),
                audit_words.outcome(line.event.detail),
            )
            for line in found
        ),
    )


def _report(line: AuditLine) -> dict[str, object]:
    event = line.event
    return {
        "id": event.id,
        "at": event.at,
        "actor": event.actor,
        "kind": event.kind,
        "batch_id": event.batch_key,
        "tag": line.tag,
        "subject": event.subject,
        "cost_usd": None if line.unpriced else usd(line.cost_nano),
        "detail": dict(event.detail),
    }
