"""`titan-console orphans`: batches that the API lists and the ledger does not know."""

import click

from core.config.settings import from_environment
from core.reporting import json_reports
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Reader
from state.files.folder import Folder
from titan_console.cli.output import print_json, print_table

_SHOWN = (
    OrphanVerdict.CANDIDATE,
    OrphanVerdict.UNKNOWN,
    OrphanVerdict.FOREIGN,
    OrphanVerdict.UNRESOLVED,
)


@click.command
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, as_json: bool) -> None:
    """List the batches at the API that are not of this ledger, as the polls have seen them.

    A suspect may be ours; polls find that out once it has ended. `adopt` takes one in.
    """
    with Reader(Folder(from_environment().home).ledger) as reader:
        found = [row for verdict in _SHOWN for row in orphans.with_verdict(reader, verdict)]
    if as_json:
        for row in found:
            print_json(json_reports.orphan(row))
    elif found:
        print_table(
            ("REMOTE_ID", "WHOSE", "REQUESTS", "CREATED", "SEEN"),
            (
                (
                    row.remote_id,
                    row.verdict.value,
                    f"{row.request_count:,}",
                    row.remote_created_ts,
                    row.seen_ts,
                )
                for row in found
            ),
        )
    else:
        click.echo("No orphan has been seen.")
