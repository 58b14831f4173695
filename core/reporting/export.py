"""Writes requests or batches out for other programs: JSON lines, or CSV for a spreadsheet."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Protocol

from msgspec import MsgspecError, Struct, to_builtins
from msgspec.json import Decoder, Encoder

from core.api.result_schema import message_of
from core.delivery.results import text_of
from core.money.pricing import usd
from core.reporting import json_reports
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import file_name
from state.files.spool import LineReader
from state.model.errors import FileMissing
from state.model.records import Batch, BatchKind, Outcome, RequestStatus
from state.queries import result_rows
from state.queries.result_rows import ExportRow

Record = dict[str, Any]
# Records that are encoded at once, and the characters of their texts.
_CHUNK, _CHUNK_TEXT = 100, 1 << 20
# What a spreadsheet takes for the beginning of a formula, or drops before it looks for one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Writable(Protocol):
    """A text file, or what stands in for one."""

    def write(self, text: str, /) -> int:
        """Write the text."""
        ...


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


class RequestReport(Struct, frozen=True, gc=False):
    """One exported request: the figures of its latest attempt, and the answer's text.

    Up to `speed`, the fields are those of `ExportRow`, in its order.
    """

    custom_id: str
    tag: str
    workflow: str
    status: RequestStatus
    outcome: Outcome | None
    batch_id: str | None
    remote_id: str | None
    kind: BatchKind | None
    model: str | None
    attempts: int
    stop_reason: str | None
    invalid: str | None
    error_type: str | None
    error_message: str | None
    input_tokens: int
    output_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_read_tokens: int
    web_searches: int
    inference_geo: str | None
    service_tier: str | None
    speed: str | None
    fee_usd: float | None
    unpriced: str | None
    cost_usd: float | None
    sync_usd: float | None
    savings_usd: float | None
    submitted_ts: str
    ended_ts: str | None
    text: str | None


def requests(
    source: Source, folder: Folder, ids: Iterable[int] | None, unread: list[str] | None = None
) -> Iterator[RequestReport]:
    """One record a request, in this order; the text is None where there is no answer on disk.

    Without `ids`, every request, oldest first. `unread` gets a reason for each answer that should
    be there.
    """
    reasons = [] if unread is None else unread
    with LineReader(folder.results, source.files) as lines:
        for rows in result_rows.chunks(result_rows.export_rows(source, ids)):
            yield from map(_record, rows, _texts([_read(lines, row, reasons) for row in rows]))


def batches(found: Iterable[Batch]) -> Iterator[Record]:
    """One record a batch, its counts side by side."""
    for batch in found:
        record: Record = to_builtins(json_reports.batch(batch))
        counts: Record = record.pop("counts")
        yield record | counts


def write(
    records: Iterable[Record | RequestReport],
    to: Writable,
    form: Format,
    *,
    columns: Sequence[str] = (),
) -> int:
    """Write them all; how many there were. CSV without a record has the header `columns`."""
    if form == Format.CSV:
        return _write_csv(records, to, columns)
    return _write_lines(records, to)


def _write_lines(records: Iterable[Record | RequestReport], to: Writable) -> int:
    count = 0
    for chunk in _chunks(records):
        to.write(_lines(chunk).decode("ascii"))
        count += len(chunk)
    return count


def _chunks(
    records: Iterable[Record | RequestReport],
) -> Iterator[Sequence[Record | RequestReport]]:
    """What is encoded at once: few records with little text."""
    chunk, size = list[Record | RequestReport](), 0
    for record in records:
        chunk.append(record)
        # Rows of a query are shown as they come.
        size += _CHUNK_TEXT if isinstance(record, dict) else len(record.text or "")
        if size >= _CHUNK_TEXT or len(chunk) == _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _lines(records: Sequence[Record | RequestReport]) -> bytes:
    """In ASCII."""
    # The library that is quick cannot escape other characters, nor encode half of a pair.
    with suppress(UnicodeEncodeError):
        lines = _encode_lines(records)
        if lines.isascii():
            return lines
    if len(records) > 1:
        return b"".join(_lines([record]) for record in records)
    text = json.dumps(to_builtins(records[0]), ensure_ascii=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def _write_csv(
    records: Iterable[Record | RequestReport], to: Writable, columns: Sequence[str]
) -> int:
    writer = csv.writer(to)
    count = 0
    for count, record in enumerate(map(_as_dict, records), 1):
        if count == 1:
            writer.writerow(map(safe_cell, record))
        writer.writerow([safe_cell(value) for value in record.values()])
    if columns and not count:
        writer.writerow(map(safe_cell, columns))
    return count


def _as_dict(record: Record | RequestReport) -> Record:
    return record if isinstance(record, dict) else to_builtins(record)


def safe_cell(value: object) -> object:
    """The value as a cell that no spreadsheet runs: a text that looks like a formula is quoted."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=True)
    if not isinstance(value, str):
        return value
    # NUL ends a cell early in some programs.
    plain = value.replace("\0", "\ufffd")
    return f"'{plain}" if plain.lstrip(" \u00a0").startswith(_FORMULA) else plain


def _record(row: ExportRow, text: str | None) -> RequestReport:
    cost, sync = row.cost_nano, row.sync_cost_nano
    # One call with positions: of a million rows, names take seconds.
    return RequestReport(
        *row[1:24],
        usd(row.fee_nano),
        row.unpriced,
        usd(cost),
        usd(sync),
        None if cost is None or sync is None else usd(sync - cost),
        row.submitted_ts,
        row.ended_ts,
        text,
    )


class _Block(Struct, gc=False):
    type: str
    text: str | None = None


class _Message(Struct, gc=False):
    content: list[_Block]


class _Result(Struct, gc=False):
    message: _Message


class _ResultLine(Struct, gc=False):
    result: _Result


_decode = Decoder(list[_ResultLine]).decode
_encode_lines = Encoder().encode_lines


def _texts(lines: Sequence[bytes | None]) -> list[str | None]:
    """The text of each answer; only that is decoded, where the lines are as the API writes them."""
    present = [line for line in lines if line is not None]
    try:
        read = _decode(b"[%b]" % b",".join(present))
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        read = []
    if len(read) != len(present):
        # One of them must be decoded fully: each by itself.
        return [None if line is None else _text_or_none(line) for line in lines]
    found = iter(read)
    return [None if line is None else _joined(next(found)) for line in lines]


def _joined(line: _ResultLine) -> str | None:
    blocks = line.result.message.content
    texts = [block.text for block in blocks if block.type == "text" and block.text is not None]
    return "".join(texts) if texts else None


def _text_or_none(line: bytes) -> str | None:
    with suppress(KeyError, TypeError, ValueError, RecursionError):
        return plain_text(line)
    return None


def plain_text(line: bytes) -> str | None:
    """The text of the answer; None without one. Raises ValueError and others for a damaged line."""
    with suppress(MsgspecError, UnicodeDecodeError, RecursionError):
        (read,) = _decode(b"[%b]" % line)
        return _joined(read)
    return text_of(message_of(line))


def _read(lines: LineReader, row: ExportRow, unread: list[str]) -> bytes | None:
    offset, length = row.result_offset, row.result_length
    if row.outcome != "succeeded" or row.batch_key is None or offset is None or length is None:
        return None
    try:
        return lines.read(file_name(row.batch_key), offset, length)
    except FileMissing as error:
        unread.append(str(error))
    return None
