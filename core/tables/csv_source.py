"""Reads CSV: UTF-8, a header, and every record as long as it."""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator
from io import BufferedReader
from pathlib import Path

from msgspec import Struct

from core.errors import InputError
from core.tables.source import Form, Row, file_fingerprint
from state.files.regular_file import open_regular

_DELIMITERS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_QUOTED = re.compile(r'"[^"]*"')
# A longer one cannot be sent. A quote that is never closed would otherwise read the whole file.
_LONGEST_CELL = 32_000_000
_REASONS = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than": "a quote is opened and never closed, or a cell is larger than 32 MB",
    "new-line character": "its lines end with CR alone; save it with other line ends",
    "expected after": 'text follows a closing quote; a quote in a quoted cell is written ""',
}


class CsvDialect(Struct, frozen=True):
    """How a file is written; an output is written like its input."""

    delimiter: str = ","
    bom: bool = False
    line_end: str = "\r\n"


class CsvSource:
    """A CSV file. Every value is a text."""

    form = Form.CSV

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        """Read the header. Raises InputError where it has no, empty or repeated names."""
        self.path = path
        self.name = str(path)
        with open_regular(path) as file:
            first = file.readline(_LONGEST_CELL)
        if first.startswith(_UTF_16):
            raise self._not_utf8("it is UTF-16")
        header = first.decode("utf-8", "replace")
        self.dialect = CsvDialect(
            delimiter or _detected(header),
            bom=first.startswith(_BOM),
            line_end="\r\n" if first.endswith(b"\r\n") else "\n",
        )
        self.columns = self._header()

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Each record after the header."""
        del only
        names, width = self.columns, len(self.columns)
        records = self._records()
        next(records)
        for line, cells in records:
            if len(cells) != width:
                raise InputError(
                    f"{self.name} line {line} has {len(cells)} cells, and the header has {width}:"
                    " quote a cell that contains the delimiter, or pass --delimiter.",
                    code="not_csv",
                )
            yield Row(line, dict(zip(names, cells, strict=True)))

    def place(self, row: Row) -> str:
        """The file and the line."""
        return f"{self.name} line {row.number}"

    def fingerprint(self) -> object:
        """Of the file."""
        return file_fingerprint(self.path)

    def _header(self) -> tuple[str, ...]:
        _, names = next(self._records(), (1, list[str]()))
        if not names:
            raise InputError(f"{self.name} is empty: it needs a header.", code="not_csv")
        for number, name in enumerate(names, 1):
            if not name.strip():
                raise InputError(f"{self.name}: column {number} has no name.", code="not_csv")
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise InputError(
                f"{self.name} has {count} columns {name!r}: rename all but one.", code="not_csv"
            )
        return tuple(names)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Each record with the line that it begins on; blank lines are left out."""
        csv.field_size_limit(_LONGEST_CELL)
        with open_regular(self.path) as file:
            reader = csv.reader(self._lines(file), delimiter=self.dialect.delimiter, strict=True)
            begins = 1
            while True:
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    raise InputError(
                        f"{self.name} line {begins} is not CSV: {_reason(error)}.", code="not_csv"
                    ) from error
                if cells is None:
                    return
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1

    def _lines(self, file: BufferedReader) -> Iterator[str]:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                raise self._not_utf8(f"line {number} is in another encoding") from None
            yield text.removeprefix("\ufeff") if number == 1 else text

    def _not_utf8(self, why: str) -> InputError:
        return InputError(
            f"{self.name} is not UTF-8: {why}. Save it as CSV UTF-8.", code="not_utf8"
        )


def _detected(header: str) -> str:
    """The delimiter that the header has most of."""
    plain = _QUOTED.sub("", header)
    return max(_DELIMITERS, key=plain.count)


def _reason(error: csv.Error) -> str:
    text = str(error)
    return next((reason for part, reason in _REASONS.items() if part in text), text)
