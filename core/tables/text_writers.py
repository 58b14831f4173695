"""Writes a table with its answers as CSV or JSON lines."""

import csv
import re
from collections.abc import Iterable
from io import TextIOWrapper

import msgspec

from core.reporting.export import safe_cell
from core.tables.answers import Answer
from core.tables.columns import AnswerColumns
from core.tables.csv_source import CsvDialect, CsvSource
from core.tables.source import Source
from core.tables.template import as_text

# A text that begins like a formula and is only a number.
_NUMBER = re.compile(r"[+-]\d+([.,]\d+)*([eE][+-]?\d+)?%?")
_encode = msgspec.json.Encoder(enc_hook=str).encode


def write_csv(
    file: TextIOWrapper,
    source: Source,
    answers: Iterable[Answer],
    columns: AnswerColumns,
    dialect: CsvDialect,
) -> None:
    """Write a header and one record a row.

    Cells of a CSV file are copied. No spreadsheet runs any other: a text that looks like a formula
    and is no number gets an apostrophe, as in `export`.
    """
    names = source.columns or _union(source)
    copies = isinstance(source, CsvSource)
    if dialect.bom:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=dialect.delimiter, lineterminator=dialect.line_end)
    header = names if copies else map(cell, names)
    writer.writerow((*header, *map(cell, columns.names)))
    for answer, row in zip(answers, source.read(), strict=False):
        values = (row.values.get(name) for name in names)
        cells = values if copies else map(cell, values)
        writer.writerow((*cells, *map(cell, columns.cells(answer))))


def write_jsonl(
    file: TextIOWrapper, source: Source, answers: Iterable[Answer], columns: AnswerColumns
) -> None:
    """Write one object a row. The line of a JSONL file is kept as it is, and gets more keys."""
    for answer, row in zip(answers, source.read(), strict=False):
        more = columns.as_dict(answer)
        if row.raw:
            begin = row.raw[:-1].rstrip()
            comma = b"" if begin == b"{" else b","
            line = begin + comma + _encode(more)[1:]
        else:
            line = _encode({**row.values, **more})
        file.write(line.decode())
        file.write("\n")


def cell(value: object) -> object:
    """The value as a CSV cell: a missing one is empty, a boolean or a nested one is JSON."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if value != value else value  # noqa: PLR0124 - NaN differs from itself
    text = as_text(value)
    return text if _NUMBER.fullmatch(text) else safe_cell(text)


def _union(source: Source) -> tuple[str, ...]:
    """Every key of the rows, in the order in which they come."""
    names: dict[str, None] = {}
    for row in source.read():
        names.update(dict.fromkeys(row.values))
    return tuple(names)
