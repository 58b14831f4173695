"""Prints data on stdout: JSON for programs, aligned text for people."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from msgspec import Struct, to_builtins

from titan_console.text.safe_text import clean, pad

_WIDEST = 100


def print_json(value: Struct | Mapping[str, Any]) -> None:
    """One record on one line, in ASCII."""
    click.echo(json.dumps(to_builtins(value), ensure_ascii=True))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their texts; whatever came from outside is made harmless."""
    # A person's line is cut where it would wrap; a file or a pipe gets all of it.
    widest = _WIDEST if sys.stdout.isatty() else None
    table = [list(header), *([clean(cell, widest) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (pad(cell, width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """One line a field, its name in front."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {clean(value)}")
