"""What was odd in one answer of the API."""

from io import BufferedWriter
from pathlib import Path

from msgspec import Struct

from core.errors import ApiError
from core.text import pluralize
from state.files.folder import open_private, replace

_FOREIGN = " of no request of this batch"


class Tally(Struct, kw_only=True):
    """Counts of one answer; lines that are no result of the batch are kept as they came.

    `known` lines are those that an earlier try brought; of those that are garbled, the `unreadable`
    ones name a request of the batch.
    """

    rejected: Path
    garbled: int = 0
    unreadable: int = 0
    foreign: int = 0
    repeated: int = 0
    known: int = 0
    contradicted: int = 0
    broken: ApiError | None = None
    _file: BufferedWriter | None = None

    @property
    def _part(self) -> Path:
        return self.rejected.with_suffix(".rejected.part")

    def reject(self, line: bytes) -> None:
        """Keep the line beside the results."""
        if self._file is None:
            self._file = open_private(self._part)
        self._file.write(line + b"\n")

    def is_no_answer(self, new: int) -> bool:
        """Whether not a line of it was about a request of the batch: it says nothing of ours."""
        return not (new or self.known or self.repeated or self.contradicted or self.unreadable)

    def keep_rejected(self) -> None:
        """Keep this answer's rejected lines, in the place of an earlier one's."""
        if self._file is not None:
            self._file.close()
            replace(self._part, self.rejected)

    def close(self) -> None:
        """Let go of the rejected lines; they stay where there are no others."""
        if self._file is not None:
            self._file.close()
            if self._part.exists() and not self.rejected.exists():
                replace(self._part, self.rejected)
            self._part.unlink(missing_ok=True)

    def in_words(self) -> str | None:
        """One line for the log, None when there was nothing."""
        found = [
            f"{pluralize(count, one, many)}{rest}"
            for count, one, many, rest in (
                (self.garbled, "garbled line", "", ""),
                (self.foreign, "line with an id", "lines with ids", _FOREIGN),
                (self.repeated, "repeated line", "", ""),
                (self.contradicted, "line", "", " in contradiction to an earlier one"),
            )
            if count
        ]
        if self.broken:
            found.append(str(self.broken))
        return "; ".join(found) or None
