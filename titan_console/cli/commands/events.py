"""`titan-console events`: the event log, newest first."""

import click

from core.reporting.event_reports import event_report
from core.reporting.ledger_time import ledger_now
from core.reporting.since import parse_since
from state.model.timestamps import to_text
from state.queries import event_list
from state.queries.event_list import EventLine
from titan_console.cli.output import (
    json_lines_option,
    ledger_reader,
    limit_option,
    period_of,
    print_json,
    print_rest,
    print_rows,
    row_limit,
)
from titan_console.text import event_labels

_EVENTS = 50


@click.command
@click.option(
    "--since", help="Start of the period: 1h, today, 30d or a UTC date. Default: all events."
)
@limit_option(_EVENTS)
@json_lines_option
def command(*, since: str | None, limit: int | None, as_json: bool) -> None:
    """Print the event log, newest first: time, event, actor, reason and result."""
    with ledger_reader() as reader:
        since_ts = to_text(parse_since(since, ledger_now(reader))) if since else ""
        at_most = row_limit(limit, _EVENTS, as_json=as_json)
        found = event_list.latest(reader, since_ts=since_ts, limit=at_most)
        total = event_list.count(reader, since_ts=since_ts)
        if as_json:
            for line in found:
                print_json(event_report(line))
        else:
            header = ("TIME", "EVENT", "SUBJECT", "ACTOR", "REASON", "COST", "RESULT")
            period = f" {period_of(since, since_ts)}" if since else ""
            print_rows(list(found), header, _cells, empty=f"No events{period}.")
    print_rest(at_most, total, "events")


def _cells(line: EventLine) -> tuple[str, ...]:
    return (
        line.event.at,
        str(event_labels.what(line.event.kind)),
        event_labels.concerns(line),
        line.event.actor,
        event_labels.why(line.event.detail),
        event_labels.cost(line),
        event_labels.outcome(line.event.detail),
    )
