"""`titan-console query`: any SELECT on the ledger and its public views."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import click

from core.errors import InputError
from core.reporting import export
from core.reporting.export import Format, Record
from state.db.public_query import Cell, select
from titan_console.cli.output import (
    Number,
    Output,
    data_output,
    ledger_reader,
    limit_option,
    row_limit,
    table_lines,
)
from titan_console.cli.stderr import print_stderr
from titan_console.cli.unread_output import Unread, print_while

_ROWS = 1000


class _QueryCommand(click.Command):
    """Takes a query that begins with a comment (`-- …`) for a query, not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move it behind `--`: no option has white space in it."""
        end = args.index("--") if "--" in args else len(args)
        queries = [arg for arg in args[:end] if arg.startswith("--") and len(arg.split()) > 1]
        options = [arg for arg in args[:end] if arg not in queries]
        return super().parse_args(ctx, [*options, "--", *queries, *args[end + 1 :]])


@click.command(cls=_QueryCommand)
@click.argument("sql", metavar="SQL|-")
@click.option("--json", "form", flag_value=Format.JSONL, help="Print one JSON object per row.")
@click.option("--csv", "form", flag_value=Format.CSV, help="Print CSV.")
@limit_option(_ROWS)
@click.option(
    "--timeout",
    "timeout_s",
    type=Number(0.001),
    default=60.0,
    show_default=True,
    help="Maximum time in seconds.",
)
def command(*, sql: str, form: str | None, limit: int | None, timeout_s: float) -> None:
    """Run a SQL query on the ledger, read-only, and print its rows.

    docs/sql.md describes the views: v_batches, v_requests, v_attempts, v_errors, v_events and
    v_usage_daily. Pass - to read the query from stdin. In CSV, cells that look like formulas are
    prefixed with an apostrophe.

    Example: titan-console query "SELECT workflow, sum(cost_usd) FROM v_usage_daily GROUP BY 1"
    """
    text = _stdin() if sql == "-" else sql
    at_most = row_limit(limit, _ROWS, as_json=form is not None)

    def write_rows(to: Unread, is_stopped: Callable[[], bool]) -> bool:
        with (
            ledger_reader() as reader,
            select(reader, text, timeout_s=timeout_s, is_stopped=is_stopped) as selected,
        ):
            rows = islice(selected.rows, at_most)
            if form is None:
                for line in table_lines(selected.columns, (list(map(_text, row)) for row in rows)):
                    to.write(f"{line}\n")
            else:
                records = _records(selected.columns, rows)
                export.write(records, to, Format(form), columns=selected.columns)
            return next(selected.rows, None) is not None

    # On a thread of its own, so that a reader of a pipe that stops holds no transaction.
    is_cut = print_while(write_rows, Output(sys.stdout) if form is None else data_output())
    if is_cut:
        print_stderr(f"Only the first {at_most:,} rows are shown; --limit 0 shows all.")


def _stdin() -> str:
    """The query in UTF-8, whatever the code page."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - where it is closed
        raise InputError("Standard input is closed.", code="stdin_closed")
    return sys.stdin.buffer.read().decode("utf-8-sig", "replace")


def _records(columns: list[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[Record]:
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise InputError(
            f"Two columns have the name {twice[0]!r:.80}: rename one with AS.", code="query_invalid"
        )
    for row in rows:
        yield dict(zip(columns, map(_value, row), strict=True))


def _value(cell: Cell) -> object:
    """The value for JSON and CSV: a blob in hexadecimal, an infinite number as null."""
    if isinstance(cell, bytes):
        return cell.hex()
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell.hex() if isinstance(cell, bytes) else str(cell)
