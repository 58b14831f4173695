"""The answers of one batch on disk: a file that grows over the tries until it is whole.

Each try writes a file of its own, with a copy of what the ledger knows already at its head. It
takes the place of the one before inside the transaction that it belongs to, so a process that was
frozen for hours, or two at once, never write into each other's answers.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from state.files.folder import make_private, open_private, replace
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, LedgerUnusable


def file_name(batch_key: str) -> str:
    """The name of a batch's file in the results folder."""
    return f"{batch_key}.jsonl"


class ResultsFile:
    """Holds the lines of one try behind those that the ledger has already taken in."""

    def __init__(
        self,
        folder: Path,
        batch_key: str,
        *,
        committed_bytes: int,
        own: str,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> None:
        """Begin a file that no other try has, `own` in its name, as the ledger knows the answers.

        Raises LedgerUnusable when it cannot be written, or is shorter than the ledger says.
        """
        self.path = folder / file_name(batch_key)
        self._part = folder / f"{file_name(batch_key)}.part"
        self._own = folder / f"{file_name(batch_key)}.{own}.try"
        self._crash_point = crash_point
        self._is_placed = False
        self.offset = committed_bytes
        try:
            make_private(folder)
            self._file = open_private(self._own)
            if committed_bytes:
                self._copy_committed()
        except FileNotFoundError as error:
            raise FileMissing(f"{self._part} is gone, and the ledger points at it.") from error
        except OSError as error:
            raise self._unusable(error) from error

    def _copy_committed(self) -> None:
        with self._part.open("rb") as part:
            shutil.copyfileobj(part, self._file)
        if self._file.tell() < self.offset:
            self.close()
            raise FileMissing(f"{self._part} is shorter than the ledger says.")
        self._file.seek(self.offset)
        self._file.truncate()

    def write(self, line: bytes) -> int:
        """Append one line, without its newline; where it begins."""
        offset = self.offset
        try:
            self._file.write(b"%b\n" % line)
        except OSError as error:
            raise self._unusable(error) from error
        self.offset += len(line) + 1
        return offset

    def sync(self) -> None:
        """Make what was written last."""
        try:
            self._crash_point("results:fsync")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._unusable(error) from error

    def place(self) -> None:
        """Inside the transaction that counts this try: what it brought is what is there."""
        try:
            self._crash_point("results:place")
            replace(self._own, self._part)
            self._is_placed = True
        except OSError as error:
            raise self._unusable(error) from error

    def finish(self) -> None:
        """Give the whole file its name, if it is this try's."""
        if not self._is_placed:
            return
        try:
            self._crash_point("results:rename")
            replace(self._part, self.path)
        except FileNotFoundError:
            # Another poll has seen the commit, and given the file its name.
            return
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Let go of the file; what was not placed is dropped."""
        try:
            self._file.close()
            self._own.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LedgerUnusable:
        return LedgerUnusable(
            f"Cannot write {self.path}: {error.strerror or error}. The results stay at the API"
            " for 29 days; free some space, and the next poll fetches them."
        )
