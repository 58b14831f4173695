"""`titan-console digest`: a summary for an hourly e-mail."""

import click

from core.config import titan_file
from core.config.settings import from_environment
from core.reporting.email_digest import as_html, digest, lines, report
from core.reporting.ledger_time import ledger_now
from core.reporting.poller_health import silent_after
from core.reporting.since import parse_since
from state.db.opening import open_reader
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, print_json
from titan_console.text.safe_text import clean


@click.command
@click.option(
    "--since",
    default="1h",
    show_default=True,
    help="Start of the period: 1h, today, 30d or a UTC date.",
)
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object.")
@click.option("--html", "as_html_", is_flag=True, help="Print an HTML list.")
@click.pass_context
def command(ctx: click.Context, *, since: str, as_json_: bool, as_html_: bool) -> None:
    """Print a summary for an hourly e-mail: savings, open and ended batches, alerts.

    Synchronous runs are included in the batch count.

    Exits with 1 if errors exceed the daily limit, a deadline is within 3 hours, polls fail or have
    stopped, or sending has stopped (a hold, a budget, a stuck batch or a stopped replay).
    """
    if as_json_ and as_html_:
        raise click.UsageError("--json and --html cannot be combined.")
    folder = from_environment().folder
    rules = titan_file.read(folder).alerts
    limit = rules.errors_a_day or None
    with open_reader(folder) as reader:
        now = ledger_now(reader)
        moment = parse_since(since, now)
        found = digest(
            reader, since=moment, now=now, error_limit=limit, silent_after=silent_after(rules)
        )
    if as_json_:
        print_json(report(found))
    elif as_html_:
        echo(clean(as_html(found)))
    else:
        for line in lines(found):
            echo(clean(line))
    is_bad = found.has_error_alert or found.at_risk or found.has_poller_alert or found.stopped
    ctx.exit(Exit.ATTENTION if is_bad else Exit.DONE)
