"""Writes the lines of a delivered file: the dictionaries of `results`, built as bytes.

The API's own bytes are copied, since decoding and encoding them would take most of the time, and
the lines of a chunk are decoded and encoded in one call each.
"""

from collections.abc import Iterator, Sequence

import msgspec

from core.delivery.results import Result, to_result
from core.money.pricing import usd
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import read_result
from state.files.spool import LineReader
from state.model.records import Submission
from state.queries import result_rows
from state.queries.result_rows import DeliveredRow

_NULL = msgspec.Raw(b"null")
_QUOTE = ord('"')


class _Block(msgspec.Struct, gc=False):
    type: str
    text: msgspec.Raw = _NULL


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]
    usage: msgspec.Raw = _NULL


class _Result(msgspec.Struct, gc=False):
    message: msgspec.Raw


class _Line(msgspec.Struct, gc=False):
    result: _Result


class _Delivered(msgspec.Struct, gc=False):
    """A succeeded request, with the members and their order of `results`."""

    custom_id: str
    outcome: str
    text: msgspec.Raw
    message: msgspec.Raw
    error: None
    usage: msgspec.Raw
    cost_usd: float | None
    batch_id: str | None
    invalid: str | None


_lines = msgspec.json.Decoder(list[_Line])
_messages = msgspec.json.Decoder(list[_Message])
_encode_lines = msgspec.json.Encoder().encode_lines


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Lines with their newlines, and how many of their requests have no result yet."""

    lines: bytes
    unanswered: int


def chunks(source: Source, folder: Folder, submission: Submission) -> Iterator[Chunk]:
    """A line for each request of the submission, in input order."""
    with LineReader(folder.results, source.files) as files:
        for rows in result_rows.chunks(result_rows.delivered_rows(source, submission)):
            lines = to_lines(rows, [_read(files, row) for row in rows])
            yield Chunk(lines, sum(row.outcome is None for row in rows))


def _read(files: LineReader, row: DeliveredRow) -> bytes | None:
    if row.result_offset is None or row.result_length is None or row.batch_key is None:
        return None
    return read_result(files, row.batch_key, row.result_offset, row.result_length)


def to_lines(rows: Sequence[DeliveredRow], lines: Sequence[bytes | None]) -> bytes:
    """The lines for rows of the ledger and the API's result lines."""
    found: list[_Delivered | Result | None] = [None] * len(rows)
    copied = [at for at, row in enumerate(rows) if lines[at] and row.outcome == "succeeded"]
    for at, message in zip(copied, _messages_in([lines[at] or b"" for at in copied]), strict=True):
        found[at] = message and _delivered(rows[at], *message)
    return _encode_lines([made or to_result(rows[at], lines[at]) for at, made in enumerate(found)])


def _messages_in(lines: list[bytes]) -> "Sequence[tuple[msgspec.Raw, _Message] | None]":
    """The message of each line, as it is and decoded; None where the line must be decoded fully."""
    try:
        messages = [line.result.message for line in _lines.decode(_array(lines))]
        read = _messages.decode(_array(messages))
        if len(messages) == len(read) == len(lines):
            return list(zip(messages, read, strict=True))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    # One of them is not as the API writes it: each by itself.
    return [None] if len(lines) < 2 else [_messages_in([line])[0] for line in lines]  # noqa: PLR2004 - alone


def _array(values: Sequence[bytes | msgspec.Raw]) -> bytes:
    """A JSON array of these values. Raises UnicodeDecodeError."""
    array = b"[%b]" % b",".join(values)
    if not array.isascii():
        # The decoder does not look into what it skips.
        array.decode()
    return array


def _delivered(row: DeliveredRow, message: msgspec.Raw, read: _Message) -> _Delivered | None:
    """The line with the API's message copied; None unless it has exactly one text block."""
    texts = [block.text for block in read.content if block.type == "text"]
    if len(texts) != 1 or memoryview(texts[0])[0] != _QUOTE:
        return None
    return _Delivered(
        *(row.custom_id, row.outcome or "", texts[0], message, None, read.usage),
        *(usd(row.cost_nano), row.batch_key, row.invalid),
    )
