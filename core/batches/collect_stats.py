"""Counts the defects of one response of results, and keeps the rejected lines."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from core.api.line_splitter import LONGEST_LINE
from core.errors import ApiError
from core.redaction import redact_bytes
from core.text import pluralize
from state.files.folder import open_private, replace

if TYPE_CHECKING:
    from io import BufferedWriter

_FOREIGN = " that this batch does not have"


class CollectStats(Struct, kw_only=True):
    """The lines of one response by their defect.

    `malformed`: cannot be parsed. `too_long`: only its beginning is kept. `malformed_own` of these
    two name a request of the batch. `foreign`:
    the custom_id is not in the batch. `repeated`: same id and bytes as an earlier line.
    `conflicting`: same id, other bytes. `known`: collected by an earlier try. `broken` is the error
    that cut the response short.
    """

    malformed: int = 0
    malformed_own: int = 0
    foreign: int = 0
    repeated: int = 0
    known: int = 0
    too_long: int = 0
    conflicting: int = 0
    broken: ApiError | None = None

    def is_unrelated(self, new: int) -> bool:
        """Whether no line is about a request of the batch; `new` counts the new results."""
        return not (new or self.known or self.repeated or self.conflicting or self.malformed_own)

    def text(self, rejected: str) -> str | None:
        """One line for the log; None when nothing was wrong. `rejected` names their file."""
        found = [
            f"{pluralize(count, one, many)}{rest}"
            for count, one, many, rest in (
                (self.malformed, "malformed line", "", ""),
                (self.foreign, "line with a custom_id", "lines with custom_ids", _FOREIGN),
                (self.too_long, "line", "", f" longer than {LONGEST_LINE:,} bytes"),
                (self.repeated, "repeated line", "", ""),
                (self.conflicting, "line", "", " conflicting with an earlier one"),
            )
            if count
        ]
        if self.malformed or self.foreign or self.conflicting or self.too_long:
            found.append(f"kept in {rejected}")
        if self.broken:
            found.append(str(self.broken))
        return "; ".join(found) or None


class RejectedLines:
    """The file beside the results for lines that are no result of the batch."""

    def __init__(self, path: Path) -> None:
        """Nothing is written before the first line."""
        self.name = f"{path.parent.name}/{path.name}"
        self._path = path
        self._part = path.with_suffix(".rejected.part")
        self._file: BufferedWriter | None = None

    def add(self, line: bytes) -> None:
        """Write the line as it came, but for the key."""
        if self._file is None:
            self._file = open_private(self._part)
        self._file.write(redact_bytes(line) + b"\n")

    def keep(self) -> None:
        """Replace the file of an earlier try with this one's, where this one has lines."""
        if self._file is not None:
            self._file.close()
            replace(self._part, self._path)

    def close(self) -> None:
        """Close the file; its lines are kept only if no earlier try has any."""
        if self._file is None:
            return
        try:
            self._file.close()
            if self._part.exists() and not self._path.exists():
                replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)
