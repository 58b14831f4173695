"""The results of a name as JSON lines, of which most are copied and not decoded."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from core.delivery.result_writer import to_line
from core.delivery.results import named, results
from state.db.reader import Source
from state.files.folder import Folder
from state.files.results_file import read_result
from state.files.spool import LineReader
from state.operations import retention
from state.queries import result_rows
from state.queries.result_rows import DeliveredRow


class ResultLine(NamedTuple):
    """One result as text, and whether the request has one yet."""

    text: str
    is_answered: bool


def json_lines(source: Source, folder: Folder, name: str) -> Iterator[ResultLine]:
    """The dictionaries of `core.delivery.results.results` in ASCII, without a newline.

    Raises what it raises.
    """
    found = named(source, name)
    if any(batch or retention.pruned_on(source, submission.id) for submission, batch in found):
        for result in results(source, folder, name):
            yield ResultLine(_compact(result), result["outcome"] is not None)
        return
    with LineReader(folder.results, source.files) as files:
        for submission, _ in found:
            for row in result_rows.delivered_rows(source, submission):
                line = to_line(row, _stored(files, row))
                yield ResultLine(_ascii(line), row.outcome is not None)


def _stored(files: LineReader, row: DeliveredRow) -> bytes | None:
    if row.result_offset is None or row.result_length is None or row.batch_key is None:
        return None
    return read_result(files, row.batch_key, row.result_offset, row.result_length)


def _ascii(line: bytes) -> str:
    if line.isascii():
        return line[:-1].decode("ascii")
    return _compact(msgspec.json.decode(line))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
