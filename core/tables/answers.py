"""Reads the answers to the rows of a table, by the ids of its rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from core.reporting.export import plain_text
from core.tables.requests import ID_BYTES
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import read_result
from state.files.spool import LineReader
from state.model.errors import FileMissing
from state.model.records import REVIEW_STOP_REASONS, Outcome, RequestStatus
from state.queries import result_rows
from state.queries.result_rows import AnswerRow

_CHUNK = 1000 * ID_BYTES
_UNFINISHED = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)
_ENDS = {
    Outcome.CANCELED.value: "canceled before it ran",
    Outcome.EXPIRED.value: "expired: its batch ended after 24 hours, before it ran",
    Outcome.MISSING.value: "the API returned no result",
}
_REVIEWS = {
    "refusal": "the model refused to answer",
    "max_tokens": "cut off: the answer is longer than max_tokens",
    "pause_turn": "unfinished: the model paused",
    "model_context_window_exceeded": "cut off: the context window of the model is full",
}


class Answer(NamedTuple):
    """The answer to a row: its text, and why there is none or it needs review.

    `is_failed`: there is an error, and it was not acknowledged.
    """

    text: str | None
    error: str | None
    is_failed: bool = False


class AnswerStats(Struct):
    """Counts over the answers that were read."""

    rows: int = 0
    failed: int = 0


class Unfinished(Exception):
    """A row has no outcome yet."""


def answers(
    source: Source, folder: Folder, tag: str, ids: bytes | bytearray, stats: AnswerStats
) -> Iterator[Answer]:
    """The answer to each id, in order. Raises Unfinished at the first that may still come."""
    with LineReader(folder.results, source.files) as lines:
        for start in range(0, len(ids), _CHUNK):
            names = names_of(ids[start : start + _CHUNK])
            found = _read(lines, result_rows.answer_rows(source, tag, set(names)))
            for name in names:
                answer = found.get(name, _NEVER_ASKED)
                stats.rows += 1
                stats.failed += answer.is_failed
                yield answer


_NEVER_ASKED = Answer(None, "not asked: run the same command again", is_failed=True)


def names_of(ids: bytes | bytearray) -> list[str]:
    """The custom_ids of rows, one after the other."""
    return [ids[at : at + ID_BYTES].hex() for at in range(0, len(ids), ID_BYTES)]


def _read(lines: LineReader, rows: Sequence[AnswerRow]) -> dict[str, Answer]:
    """The answers, read file by file and in the order of each file."""
    if any(row.status in _UNFINISHED for row in rows):
        raise Unfinished
    ordered = sorted(rows, key=lambda row: (row.batch_key or "", row.result_offset or 0))
    return {row.custom_id: _answer(lines, row) for row in ordered}


def _answer(lines: LineReader, row: AnswerRow) -> Answer:
    if row.outcome != Outcome.SUCCEEDED:
        return Answer(None, _error(row), row.status != RequestStatus.ACKNOWLEDGED)
    try:
        text, error = _text(lines, row), _review(row)
    except FileMissing as missing:
        text, error = None, f"the answer is not on disk: {missing}"
    except (KeyError, TypeError, ValueError, RecursionError):
        text, error = None, "the answer cannot be read"
    if text is None and error is None:
        error = "the answer has no text"
    return Answer(text, error, error is not None)


def _text(lines: LineReader, row: AnswerRow) -> str | None:
    if row.batch_key is None or row.result_offset is None or row.result_length is None:
        return None
    return plain_text(read_result(lines, row.batch_key, row.result_offset, row.result_length))


def _review(row: AnswerRow) -> str | None:
    """Why an answer needs review; None once an operator has accepted it."""
    if row.reviewed:
        return None
    if row.stop_reason in REVIEW_STOP_REASONS:
        return _REVIEWS.get(row.stop_reason, row.stop_reason)
    return f"the answer does not match the schema: {row.invalid}" if row.invalid else None


def _error(row: AnswerRow) -> str:
    parts = [part for part in (row.error_type, row.error_message) if part]
    return _ENDS.get(row.outcome or "") or ": ".join(parts) or "no answer"
