"""Writes a table with its answers as Parquet; the columns of a Parquet file keep their types."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from core.errors import InputError
from core.tables import arrow_types
from core.tables.answers import Answer
from core.tables.arrow import pyarrow
from core.tables.columns import AnswerColumns
from core.tables.parquet_source import ParquetSource
from core.tables.source import Source

_CHUNK = 1000
# A row group ends at this many rows, or bytes.
_GROUP_ROWS = 50_000
_GROUP_BYTES = 32_000_000


def write_parquet(
    file: BinaryIO,
    source: Source,
    answers: Iterable[Answer],
    columns: AnswerColumns,
) -> None:
    """Write the table. Raises InputError where a column has values of different types."""
    arrow, parquet = pyarrow(), pyarrow("pyarrow.parquet")
    schema = _schema(arrow, source)
    more = arrow.schema(arrow_types.fields(arrow, columns))
    full = arrow.schema([*schema, *more], metadata=schema.metadata)
    left = iter(answers)
    with parquet.ParquetWriter(file, full) as writer:
        group: list[Any] = []
        for batch in _batches(arrow, source, schema):
            cells = [columns.cells(answer) for answer in islice(left, batch.num_rows)]
            if cells:
                group.append(_with_answers(arrow, batch.slice(0, len(cells)), cells, full, more))
            if _is_full(group) or len(cells) < batch.num_rows:
                _write(arrow, writer, group)
                group = []
            if len(cells) < batch.num_rows:
                break
        _write(arrow, writer, group)


def _write(arrow: Any, writer: Any, group: list[Any]) -> None:  # noqa: ANN401 - no types
    if group:
        writer.write_table(arrow.Table.from_batches(group))


def _is_full(group: list[Any]) -> bool:
    rows, size = sum(batch.num_rows for batch in group), sum(batch.nbytes for batch in group)
    return rows >= _GROUP_ROWS or size >= _GROUP_BYTES


def _with_answers(
    arrow: Any,  # noqa: ANN401 - pyarrow has no types
    batch: Any,  # noqa: ANN401 - as above
    cells: list[tuple[object, ...]],
    full: Any,  # noqa: ANN401 - as above
    more: Any,  # noqa: ANN401 - as above
) -> Any:  # noqa: ANN401 - as above
    *found, errors = map(list, zip(*cells, strict=True))
    made: list[Any] = []
    for values, field in zip(found, more, strict=False):
        array, unfit = arrow_types.fitted(arrow, values, field.type)
        made.append(array)
        for at in unfit:
            errors[at] = errors[at] or f"{field.name} does not fit the type {field.type}"
    made.append(arrow.array(errors, type=arrow.string()))
    return arrow.RecordBatch.from_arrays([*batch.columns, *made], schema=full)


def _batches(arrow: Any, source: Source, schema: Any) -> Iterator[Any]:  # noqa: ANN401 - no types
    if isinstance(source, ParquetSource):
        yield from source.batches()
        return
    for rows in _chunks(source):
        yield arrow.RecordBatch.from_pylist(rows, schema=schema)


def _schema(arrow: Any, source: Source) -> Any:  # noqa: ANN401 - no types
    """The schema of a Parquet file; of others the types that all rows fit in."""
    if isinstance(source, ParquetSource):
        return source.schema
    found = arrow.schema([(name, arrow.string()) for name in source.columns or ()])
    if source.columns is not None:
        return found
    for rows in _chunks(source):
        names = dict.fromkeys(name for row in rows for name in row)
        try:
            tables = [
                arrow.RecordBatch.from_pylist([{n: row.get(n) for n in names} for row in rows])
            ]
            found = arrow.unify_schemas(
                [found, *(table.schema for table in tables)], promote_options="permissive"
            )
        except (arrow.ArrowException, OverflowError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise InputError(
                f"{source.name} cannot be written as Parquet: {reason}. Write .jsonl instead."
            ) from error
    nothing = arrow.null()
    return arrow.schema(
        [field.with_type(arrow.string()) if field.type == nothing else field for field in found]
    )


def _chunks(source: Source) -> Iterator[list[dict[str, object]]]:
    rows = source.read()
    while chunk := [dict(row.values) for row in islice(rows, _CHUNK)]:
        yield chunk
