"""`titan-console commands`: what was asked for, by whom, and what came of it."""

import click

from core.config.settings import from_environment
from state.db.reader import Reader
from state.files.folder import Folder
from state.operations.commands import latest
from titan_console.cli.command_flow import as_report
from titan_console.cli.output import print_json, print_table


@click.command
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, limit: int, as_json: bool) -> None:
    """List the commands that operators and policies gave, newest first."""
    with Reader(Folder(from_environment().home).ledger) as reader:
        found = latest(reader, limit=limit)
    if as_json:
        for one in found:
            print_json(as_report(one))
        return
    if not found:
        click.echo("Nothing was asked for yet.")
        return
    print_table(
        ("COMMAND", "VERB", "STATE", "ITEMS", "GIVEN", "BY", "OUTCOME"),
        (
            (c.key, c.action, c.state, f"{c.item_count:,}", c.created_ts, c.who, c.outcome or "")
            for c in found
        ),
    )
