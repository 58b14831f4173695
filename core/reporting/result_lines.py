"""The results of a name as JSON lines, of which most are copied and not decoded."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from core.delivery.result_writer import chunks
from core.delivery.results import named, results
from state.db.reader import Source
from state.files.folder import Folder
from state.operations import retention


class ResultText(NamedTuple):
    """Lines with their newlines, and how many of their requests have no result yet."""

    text: str
    unanswered: int


def json_lines(source: Source, folder: Folder, name: str) -> Iterator[ResultText]:
    """The dictionaries of `core.delivery.results.results` in ASCII.

    Raises what it raises.
    """
    found = named(source, name)
    if any(batch or retention.pruned_on(source, submission.id) for submission, batch in found):
        for result in results(source, folder, name):
            yield ResultText(f"{_compact(result)}\n", result["outcome"] is None)
        return
    for submission, _ in found:
        for chunk in chunks(source, folder, submission):
            yield ResultText(_ascii(chunk.lines), chunk.unanswered)


def _ascii(lines: bytes) -> str:
    if lines.isascii():
        return lines.decode("ascii")
    return "".join(map(_ascii_line, lines.splitlines(keepends=True)))


def _ascii_line(line: bytes) -> str:
    if line.isascii():
        return line.decode("ascii")
    return f"{_compact(msgspec.json.decode(line))}\n"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
