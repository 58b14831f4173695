"""`titan-console errors`: the requests that failed and that nobody has settled."""

from collections.abc import Iterator

import click

from core import reports
from core.settings import from_environment
from state import views
from state.folder import Folder
from state.reader import Reader, Source
from state.views import ErrorRow
from titan_console.output import print_json, print_table


@click.command
@click.option("--limit", default=50, show_default=True, help="How many, the newest first; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, limit: int, as_json: bool) -> None:
    """List the requests that failed, newest first."""
    with Reader(Folder(from_environment().home).ledger) as reader:
        rows = _rows(reader, limit)
        if as_json:
            for row in rows:
                print_json(reports.error(row))
            return
        found = list(rows)
    if not found:
        click.echo("Nothing failed.")
        return
    print_table(
        ("CUSTOM_ID", "TAG", "BATCH", "OUTCOME", "ERROR", "MESSAGE"),
        (
            (r.custom_id, r.tag, r.batch_key, r.outcome, r.error_type or "", r.error_message or "")
            for r in found
        ),
    )


def _rows(source: Source, limit: int) -> Iterator[ErrorRow]:
    last: int | None = None
    left = limit or 1 << 62
    while left > 0 and (page := views.errors(source, before_id=last, limit=min(left, 1000))):
        yield from page
        last = page[-1].request_id
        left -= len(page)
