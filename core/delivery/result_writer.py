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


def lines(context: Context, submission: Submission) -> Iterator[bytes]:
    """A line for each request of the submission, in input order, its newline included."""
    with LineReader(context.folder.results) as files:
        for row in result_rows.delivered_rows(context.ledger, submission):
            yield to_line(row, _read(files, row)) + b"\n"


def _read(files: LineReader, row: DeliveredRow) -> bytes | None:
    if row.result_offset is None or row.result_length is None or row.batch_key is None:
        return None
    return read_result(files, row.batch_key, row.result_offset, row.result_length)


def to_line(row: DeliveredRow, line: bytes | None) -> bytes:
    """The line for a row of the ledger and the API's result line."""
    if line and row.outcome == "succeeded":
        try:
            return _copied(row, line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _OddError):
            pass
    return msgspec.json.encode(to_result(row, line))


class _OddError(ValueError):
    """A line that must be decoded."""


def _copied(row: DeliveredRow, line: bytes) -> bytes:
    """The line with the API's message copied. Raises where it has not exactly one text block."""
    if not line.isascii():
        line.decode()
    message = _line.decode(line).result.message
    read = _message.decode(message)
    texts = [block.text for block in read.content if block.type == "text"]
    if len(texts) != 1 or not bytes(texts[0]).startswith(b'"'):
        raise _OddError
    return b"".join(
        (
            b'{"custom_id":"%b","outcome":"succeeded","text":' % row.custom_id.encode(),
            texts[0],
            b',"message":',
            message,
            b',"error":null,"usage":',
            read.usage,
            b',"cost_usd":%b,"batch_id":"%b"}'
            % (_cost(row.cost_nano), (row.batch_key or "").encode()),
        )
    )


def _cost(nano: int | None) -> bytes:
    return b"null" if nano is None else msgspec.json.encode(dollars_float(nano))
