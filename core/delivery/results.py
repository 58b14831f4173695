"""The result of a request as jobs get it: a dictionary with the same keys for every outcome."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from core.api.result_schema import message_of
from core.money.pricing import dollars_float
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import read_result
from state.files.spool import LineReader
from state.model.errors import FileMissing
from state.model.records import Batch, Submission
from state.operations import retention
from state.queries import batch_list, result_rows
from state.queries.result_rows import DeliveredRow, ResultRow

Result = dict[str, Any]


def named(source: Source, name: str) -> list[tuple[Submission, Batch | None]]:
    """Whole submissions of a tag or key; for the key or remote id of one batch, only that batch.

    Raises UnknownId.
    """
    submissions, batches = batch_list.find(source, name)
    names = {name for submission in submissions for name in (submission.key, submission.tag)}
    alone = batches[0] if len(batches) == 1 and name not in names else None
    return [(submission, alone) for submission in submissions]


def results(source: Source, folder: Folder, name: str, *, start: int = 0) -> Iterator[Result]:
    """Every request that the name stands for, in input order, without the first `start`.

    Each is `{"custom_id", "outcome", "text", "message", "error", "usage", "cost_usd",
    "batch_id", "invalid"}`; absent parts are None, and so is the outcome of a request without a
    result. Raises FileMissing where the results are no longer on disk.
    """
    rows = (
        row
        for submission, batch in named(source, name)
        for row in _rows_of(source, submission, batch)
    )
    with LineReader(folder.results, source.files) as lines:
        for row in islice(rows, start, None):
            yield to_result(row, _line(lines, row))


def _rows_of(source: Source, submission: Submission, batch: Batch | None) -> Iterator[ResultRow]:
    day = retention.pruned_on(source, submission.id)
    if day:
        raise FileMissing(
            f"The results of {submission.key} were deleted on {day} by `titan-console prune`."
            " Their cost stays in the ledger."
        )
    return result_rows.results(source, submission, batch=batch)


def to_result(row: ResultRow | DeliveredRow, line: bytes | None) -> Result:
    """The result for a row of the ledger and the API's result line."""
    message = message_of(line) if line and row.outcome == "succeeded" else None
    return {
        "custom_id": row.custom_id,
        "outcome": str(row.outcome) if row.outcome else None,
        "text": text_of(message),
        "message": message,
        "error": _error(row),
        "usage": message.get("usage") if message else None,
        "cost_usd": None if row.cost_nano is None else dollars_float(row.cost_nano),
        "batch_id": row.batch_key,
        "invalid": row.invalid,
    }


def _line(lines: LineReader, row: ResultRow) -> bytes | None:
    if row.result_offset is None or row.result_length is None or row.batch_key is None:
        return None
    return read_result(lines, row.batch_key, row.result_offset, row.result_length)


def text_of(message: dict[str, Any] | None) -> str | None:
    """The text blocks of a message, joined; None where there are none."""
    blocks = (message or {}).get("content")
    if not isinstance(blocks, list):
        return None
    texts: list[str] = []
    for block in cast("list[object]", blocks):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case _:
                pass
    return "".join(texts) if texts else None


def _error(row: ResultRow | DeliveredRow) -> dict[str, str | None] | None:
    if row.outcome is None or row.outcome == "succeeded":
        return None
    return {"type": row.error_type or str(row.outcome), "message": row.error_message}
