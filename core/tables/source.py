"""What a table is to the rest: rows in order, which can be read more than once."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol


class Form(StrEnum):
    """A file format of tables."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Row(NamedTuple):
    """One row.

    `number` is its line in a CSV or JSONL file, else its position from 1 on. `raw` is its line in a
    JSONL file. `attachment` is a PDF or an image that is sent before the prompt.
    """

    number: int
    values: Mapping[str, object]
    raw: bytes = b""
    attachment: Path | None = None


class Source(Protocol):
    """A table that is read row by row, as often as it is needed."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def form(self) -> Form:
        """The format that its output has too."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Their names; None where they may differ from row to row."""
        ...

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Each row; `only` names the columns that are needed. Raises InputError, OSError."""
        ...

    def place(self, row: Row) -> str:
        """What messages call the row, such as `reviews.csv line 7`."""
        ...

    def fingerprint(self) -> object:
        """A value that differs once the table has changed."""
        ...


def file_fingerprint(path: Path) -> object:
    """Size and time of change of a file."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
