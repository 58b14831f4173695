"""Writes the lines of a delivered file: the dictionaries of `results`, built as bytes.

The API's own bytes are copied, since decoding and encoding them would take most of the time.
"""

from collections.abc import Iterator

import msgspec

from core.batches.engine_context import Context
from core.delivery.results import to_result
from core.money.pricing import dollars_float
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


_line = msgspec.json.Decoder(_Line)
_message = msgspec.json.Decoder(_Message)
_encode = msgspec.json.Encoder().encode


def lines(context: Context, submission: Submission) -> Iterator[bytes]:
    """A line for each request of the submission, in input order, its newline included."""
    with LineReader(context.folder.results, context.ledger.files) as files:
        for row in result_rows.delivered_rows(context.ledger, submission):
            yield to_line(row, _read(files, row))


def _read(files: LineReader, row: DeliveredRow) -> bytes | None:
    if row.result_offset is None or row.result_length is None or row.batch_key is None:
        return None
    return read_result(files, row.batch_key, row.result_offset, row.result_length)


def to_line(row: DeliveredRow, line: bytes | None) -> bytes:
    """The line for a row of the ledger and the API's result line, its newline included."""
    if line and row.outcome == "succeeded":
        for message_in in (_cut_out, _decoded):
            try:
                return _copied(row, message_in(row, line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _OddError):
                continue
    return _encode(to_result(row, line)) + b"\n"


class _OddError(ValueError):
    """A line that must be decoded."""


def _cut_out(row: DeliveredRow, line: bytes) -> memoryview:
    """The bytes of a line around which everything is as the API writes it.

    If they are one JSON value, which `_copied` checks, they are the message, and the line has no
    other member. Raises _OddError.
    """
    head = b'{"custom_id":"%b","result":{"type":"succeeded","message":' % row.custom_id.encode()
    if not (line.startswith(head) and line.endswith(b"}}")):
        raise _OddError
    if not line.isascii():
        line.decode()
    return memoryview(line)[len(head) : -2]


def _decoded(_row: DeliveredRow, line: bytes) -> msgspec.Raw:
    """The message of a line with its members in any order."""
    if not line.isascii():
        line.decode()
    return _line.decode(line).result.message


def _copied(row: DeliveredRow, message: memoryview | msgspec.Raw) -> bytes:
    """The line with the API's message copied. Raises where it has not exactly one text block."""
    read = _message.decode(message)
    texts = [block.text for block in read.content if block.type == "text"]
    if len(texts) != 1 or memoryview(texts[0])[0] != _QUOTE:
        raise _OddError
    return b"".join(
        (
            b'{"custom_id":"',
            row.custom_id.encode(),
            b'","outcome":"succeeded","text":',
            texts[0],
            b',"message":',
            message,
            b',"error":null,"usage":',
            read.usage,
            b',"cost_usd":',
            b"null" if row.cost_nano is None else _encode(dollars_float(row.cost_nano)),
            b',"batch_id":"',
            (row.batch_key or "").encode(),
            b'","invalid":',
            b"null" if row.invalid is None else _encode(row.invalid),
            b"}\n",
        )
    )
