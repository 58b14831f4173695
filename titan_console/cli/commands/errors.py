"""`titan-console errors`: the requests that failed and that nobody has settled."""

from collections.abc import Iterator

import click

from core.clock import SystemClock
from core.config.settings import from_environment
from core.reporting import error_groups, json_reports
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.operations import reviews
from state.operations.reviews import ReviewRow
from state.queries import error_list
from state.queries.error_list import ErrorRow
from titan_console.cli.output import print_json, print_table


@click.command
@click.option("--limit", default=50, show_default=True, help="How many, the newest first; 0: all.")
@click.option("--groups", is_flag=True, help="Group those that say the same; all of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, limit: int, groups: bool, as_json: bool) -> None:
    """List the requests that failed, newest first, and the answers that need a look.

    Those were refused, cut off or left unfinished: billed and settled, and maybe of no use.
    `replay` with an edit asks them again, `acknowledge` takes them as they are.
    """
    with Reader(Folder(from_environment().home).ledger) as reader:
        if groups:
            _print_groups(reader, as_json=as_json)
            return
        rows = _rows(reader, limit)
        answers = reviews.rows(reader, limit=limit or 1 << 62)
        if as_json:
            for row in rows:
                print_json(json_reports.error(row))
            for answer in answers:
                print_json(json_reports.review(answer))
            return
        _print(list(rows), list(answers))


def _print(failed: list[ErrorRow], answers: list[ReviewRow]) -> None:
    if failed:
        _print_failed(failed)
    else:
        click.echo("Nothing failed.")
    if answers:
        click.echo()
        print_table(
            ("TO REVIEW", "TAG", "BATCH", "ENDED WITH"),
            ((a.custom_id, a.tag, a.batch_key, a.stop_reason) for a in answers),
        )


def _print_failed(failed: list[ErrorRow]) -> None:
    print_table(
        ("CUSTOM_ID", "TAG", "BATCH", "OUTCOME", "ERROR", "MESSAGE"),
        (
            (r.custom_id, r.tag, r.batch_key, r.outcome, r.error_type or "", r.error_message or "")
            for r in failed
        ),
    )


def _print_groups(source: Source, *, as_json: bool) -> None:
    troubles = error_list.grouped(source, (), SystemClock().now())
    found = error_groups.group(troubles.said)
    if as_json:
        for group in found:
            print_json(json_reports.error_group(group))
    elif found:
        print_table(
            ("WORKFLOW", "ERROR", "COUNT", "NEXT", "LAST SEEN", "WHAT WAS SAID"),
            (
                (g.key.workflow, g.key.kind, f"{g.count:,}", g.next_step, g.last_ts, g.sample)
                for g in found
            ),
        )
    else:
        click.echo("Nothing failed.")
    left = troubles.counted - sum(group.count for group in found)
    if left:
        click.echo(f"{left:,} older ones are in no group.", err=True)


def _rows(source: Source, limit: int) -> Iterator[ErrorRow]:
    last: int | None = None
    left = limit or 1 << 62
    while left > 0 and (page := error_list.errors(source, before_id=last, limit=min(left, 1000))):
        yield from page
        last = page[-1].request_id
        left -= len(page)
