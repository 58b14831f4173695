"""What was odd in one answer of the API."""

from io import BufferedWriter
from pathlib import Path

from msgspec import Struct

from core.errors import LaneError
from state.folder import open_private


class Tally(Struct, kw_only=True):
    """Counts of one answer; lines that are no result of the batch are kept as they came.

    `known` lines are those that an earlier try brought.
    """

    rejected: Path
    garbled: int = 0
    foreign: int = 0
    repeated: int = 0
    known: int = 0
    contradicted: int = 0
    broken: LaneError | None = None
    _file: BufferedWriter | None = None

    def reject(self, line: bytes) -> None:
        """Keep the line beside the results."""
        if self._file is None:
            self._file = open_private(self.rejected)
        self._file.write(line + b"\n")

    def is_no_answer(self, new: int, requests: int) -> bool:
        """Whether nothing of the batch came, and not a line for each request either.

        The API answers with a line for each; an empty page, or another's, says nothing of ours.
        """
        ours = new + self.known + self.repeated + self.contradicted
        return not ours and self.garbled + self.foreign < requests

    def close(self) -> None:
        """Let go of the file of rejected lines."""
        if self._file is not None:
            self._file.close()

    def in_words(self) -> str | None:
        """One line for the log, None when there was nothing."""
        found = [
            f"{count:,} {what}"
            for count, what in (
                (self.garbled, "garbled lines"),
                (self.foreign, "lines with ids of no request of this batch"),
                (self.repeated, "repeated lines"),
                (self.contradicted, "lines that contradict an earlier one"),
            )
            if count
        ]
        if self.broken:
            found.append(str(self.broken))
        return "; ".join(found) or None
