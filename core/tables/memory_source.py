"""Rows that a program has: dictionaries, or a data frame, of which none is imported here."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from core.errors import InputError
from core.tables.arrow import pyarrow
from core.tables.source import Form, Row


class MemorySource:
    """Rows in memory."""

    form = Form.JSONL
    columns = None
    name = "the table"

    def __init__(self, rows: object) -> None:
        """Take the rows. Raises InputError for anything else than dictionaries or a data frame."""
        self.records = list(_checked(_records(rows)))

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Each row."""
        del only
        for number, values in enumerate(self.records, 1):
            yield Row(number, values)

    def place(self, row: Row) -> str:
        """Its position."""
        return f"row {row.number}"

    def fingerprint(self) -> object:
        """They do not change."""
        return None


def _records(rows: Any) -> Iterator[object]:  # noqa: ANN401 - of any library
    """The rows of a polars or pandas frame, of anything in Arrow's C stream, or as they are."""
    if hasattr(rows, "iter_rows") and hasattr(rows, "columns"):
        return iter(rows.iter_rows(named=True))
    if hasattr(rows, "itertuples") and hasattr(rows, "columns"):
        names = [str(name) for name in rows.columns]
        return (
            dict(zip(names, cells, strict=True))
            for cells in rows.itertuples(index=False, name=None)
        )
    if hasattr(rows, "__arrow_c_stream__"):
        return _of_arrow(rows)
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise InputError(f"rows must be a list of dictionaries or a data frame, not {rows!r:.60}.")
    return iter(cast("Iterable[object]", rows))


def _of_arrow(rows: object) -> Iterator[object]:
    for batch in pyarrow().RecordBatchReader.from_stream(rows):
        yield from batch.to_pylist()


def _checked(records: Iterator[object]) -> Iterator[dict[str, object]]:
    for number, record in enumerate(records, 1):
        if not isinstance(record, Mapping):
            raise InputError(f"Row {number} must be a dictionary, not {record!r:.60}.")
        values = dict(cast("Mapping[str, object]", record))
        for name, value in values.items():
            if not _has_stable_text(value):
                raise InputError(
                    f"Row {number}: {name!r:.60} of type {type(value).__name__} has no text that is"
                    " the same in each run: make it a text, a number or a list."
                )
        yield values


def _has_stable_text(value: object) -> bool:
    """Whether its text is the same in each process: else each run would ask, and pay, again."""
    if isinstance(value, str | int | float) or value is None:
        return True
    if isinstance(value, Mapping):
        return all(map(_has_stable_text, cast("Mapping[object, object]", value).values()))
    if isinstance(value, list | tuple):
        return all(map(_has_stable_text, cast("Iterable[object]", value)))
    kind = type(value)
    has_text = kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
    return has_text and not isinstance(value, set | frozenset)
