"""Prints data on stdout: JSON for programs, aligned text for people; the options for both."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TextIO, TypeVar

import click
from msgspec import Struct, to_builtins

from core.config.settings import from_environment
from state.db.opening import open_reader
from state.db.reader import Reader
from titan_console.cli.stderr import print_stderr, use_utf8
from titan_console.text.safe_text import cells, clean, harmless, pad

_WIDEST = 100
# A table of any length is printed as its rows come, and takes no memory.
_MEASURED_ROWS = 10_000
_Row = TypeVar("_Row")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


def lane_option(text: str) -> Callable[[_Command], _Command]:
    """`--lane NAME`: a lane of titan.toml."""
    return click.option("--lane", metavar="NAME", help=text)


json_lines_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line."
)

_ALL = 1 << 62


class Number(click.FloatRange):
    """A number within a range; NaN, which compares with none, is not."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Also refuse NaN."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class RowCount(click.IntRange):
    """A number of rows, as a number that every list can take."""

    def convert(self, value: int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """More than there can be is all of them."""
        return min(super().convert(value, param, ctx), _ALL)


def limit_option(default: int) -> Callable[[Any], Any]:
    """`--limit`: nothing is left out of the JSON lines unless it is given."""
    return click.option(
        "--limit",
        type=RowCount(0),
        help=f"Maximum number of rows; 0 for all. Default: {default}, or all with --json.",
    )


def row_limit(limit: int | None, default: int, *, as_json: bool) -> int:
    """How many rows to print at row_limit."""
    if limit is None:
        limit = 0 if as_json else default
    return limit or _ALL


def print_rest(shown: int, total: int, what: str) -> None:
    """The number of rows beyond the limit, on stderr."""
    if shown < total:
        print_stderr(f"{shown:,} of {total:,} {what} shown; --limit 0 shows all.")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it is an open terminal; a standard stream that is closed is None."""
    return stream is not None and stream.isatty()


def ledger_reader() -> Reader:
    """A read-only connection to the ledger under TITAN_HOME."""
    return open_reader(from_environment().folder)


class Output:
    """A text file; a terminal gets a visible stand-in for each control character.

    Any other file gets the text as it is.
    """

    def __init__(self, file: TextIO | None) -> None:
        """None, under pythonw or with a closed descriptor, takes everything."""
        self._file = file
        self._is_terminal = is_terminal(file)

    def write(self, text: str) -> int:
        """Write the text."""
        if self._file is None:
            return len(text)
        return self._file.write(harmless(text) if self._is_terminal else text)

    def flush(self) -> None:
        """Let whoever reads it have what was written."""
        if self._file is not None:
            self._file.flush()


def data_output() -> Output:
    """Standard output for data that a program reads: JSON Lines and CSV, in UTF-8."""
    use_utf8(sys.stdout)
    return Output(sys.stdout)


def echo(text: str = "") -> None:
    """A line on standard output."""
    Output(sys.stdout).write(f"{text}\n")
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - as above
        sys.stdout.flush()


def period_of(since: str, since_ts: str) -> str:
    """The period of a report, such as `since 2026-11-01T09:30Z (--since 30d)`."""
    return f"since {since_ts[:16]}Z (--since {since})"


def print_json(value: Struct | Mapping[str, Any]) -> None:
    """One record on one line, in ASCII."""
    echo(json.dumps(to_builtins(value), ensure_ascii=True))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their texts; control characters are made visible."""
    for line in table_lines(header, rows):
        echo(line)


def table_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; the first rows decide how wide its columns are.

    A later cell that is wider moves the rest of its line: no value is shown in part.
    """
    # On a terminal a cell is cut before its line would wrap; a file or a pipe gets all of it.
    widest = _WIDEST if is_terminal(sys.stdout) else None
    table = ([clean(cell, widest) for cell in row] for row in rows)
    first = [list(header), *islice(table, _MEASURED_ROWS)]
    widths = [max(map(cells, column)) for column in zip(*first, strict=True)]
    for row in chain(first, table):
        room = zip(row, map(max, widths, map(cells, row)), strict=True)
        yield "  ".join(pad(cell, width) for cell, width in room).rstrip()


def print_rows(
    rows: Sequence[_Row],
    header: Sequence[str],
    cells: Callable[[_Row], Sequence[str]],
    *,
    empty: str,
) -> None:
    """A table with one line per row, or the line `empty`."""
    if rows:
        print_table(header, map(cells, rows))
    else:
        echo(empty)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """One line per field, its name in front; empty values are left out."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        echo(f"{name:<{width}}  {clean(value)}")
