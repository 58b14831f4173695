"""Compares batch-cost-log.jsonl with the ledger that it mirrors, line by line."""

import json
from collections import Counter
from pathlib import Path

from msgspec import Struct

from core.errors import InputError
from state.db.reader import Source
from state.files.regular_file import read_regular
from state.files.system_errors import cause
from state.queries import mirrors


class LogCheck(Struct, frozen=True, kw_only=True):
    """The number of lines that agree, and the lines that only one of them has."""

    agreeing: int
    only_in_log: tuple[str, ...]
    only_in_ledger: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the log and the ledger agree."""
        return not self.only_in_log and not self.only_in_ledger


def check(source: Source, path: Path) -> LogCheck:
    """Compare the log with the ledger. Raises InputError for an unreadable file or line."""
    try:
        lines = read_regular(path).splitlines()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {cause(error, path).text}.", code="file_unreadable"
        ) from error
    found = Counter(_canonical(line, number) for number, line in enumerate(lines, 1))
    expected = Counter(json.dumps(line, sort_keys=True) for line in mirrors.cost_lines(source))
    return LogCheck(
        agreeing=(found & expected).total(),
        only_in_log=tuple((found - expected).elements()),
        only_in_ledger=tuple((expected - found).elements()),
    )


def _canonical(line: bytes, number: int) -> str:
    try:
        return json.dumps(json.loads(line), sort_keys=True)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"Line {number} of the cost log is not JSON: {error}.", code="not_json"
        ) from error
