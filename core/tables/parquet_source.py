"""Reads Parquet, a batch of rows at a time."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.tables.arrow import pyarrow
from core.tables.source import Form, Row, file_fingerprint
from state.files.regular_file import require_regular

_BATCH = 1000


class ParquetSource:
    """A Parquet file."""

    form = Form.PARQUET

    def __init__(self, path: Path) -> None:
        """Read the schema. Raises InputError where it is not Parquet, or has a name twice."""
        require_regular(path)
        self.path = path
        self.name = str(path)
        with self._opened() as file:
            self.schema: Any = file.schema_arrow
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        name, count = Counter(self.columns).most_common(1)[0] if self.columns else ("", 0)
        if count > 1:
            raise InputError(f"{self.name} has {count} columns {name!r}: rename all but one.")

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Each row, with the Python values of its columns."""
        number = 0
        chosen = [name for name in self.columns if only is None or name in only]
        for batch in self.batches():
            needed = _without_nanoseconds(batch.select(chosen))
            plain = needed.to_pylist() if chosen else [{}] * batch.num_rows
            for values in plain:
                number += 1
                yield Row(number, values)

    def batches(self) -> Iterator[Any]:
        """The record batches of the file, in order."""
        with self._opened() as file:
            yield from file.iter_batches(batch_size=_BATCH)

    def place(self, row: Row) -> str:
        """The file and the row."""
        return f"{self.name} row {row.number}"

    def fingerprint(self) -> object:
        """Of the file."""
        return file_fingerprint(self.path)

    def _opened(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        arrow, parquet = pyarrow(), pyarrow("pyarrow.parquet")
        try:
            return parquet.ParquetFile(self.path)
        except arrow.ArrowInvalid as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise InputError(f"{self.name} is not Parquet: {reason}.") from error


def _without_nanoseconds(batch: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Times in microseconds: Python has no shorter ones, and pandas, if installed, its own."""
    arrow = pyarrow()
    columns = [
        column.cast(_microseconds(arrow, column.type), safe=False)
        if getattr(column.type, "unit", "") == "ns"
        else column
        for column in batch.columns
    ]
    return arrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _microseconds(arrow: Any, type_: Any) -> Any:  # noqa: ANN401 - as above
    if arrow.types.is_timestamp(type_):
        return arrow.timestamp("us", tz=type_.tz)
    return arrow.time64("us") if arrow.types.is_time(type_) else arrow.duration("us")
