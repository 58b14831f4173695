"""The results file of one batch, which grows over several tries until it is complete.

Each try writes its own file, which starts with a copy of the lines that the ledger has already.
The file replaces the previous one inside the transaction of the try, so that two processes, or one
that was suspended for hours, never write into each other's results.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from state.files.file_errors import file_error
from state.files.folder import make_private, open_private, replace
from state.files.regular_file import open_regular
from state.files.spool import LineReader
from state.files.system_errors import cause
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, LedgerUnusable


def file_name(batch_key: str) -> str:
    """The name of a batch's file in the results folder."""
    return f"{batch_key}.jsonl"


# What helps where the file of a collected batch is missing or damaged.
RECOVERY = (
    "Copy it back from a backup of its folder; delivered answers are also in staging/. Or, within"
    " 29 days of the batch's creation, move titan.db to another folder and run"
    " `titan-console rebuild --yes`, which downloads it again"
)


def read_result(lines: LineReader, batch_key: str, offset: int, length: int) -> bytes:
    """The stored line of one result. Raises FileMissing, with what to do."""
    try:
        return lines.read(file_name(batch_key), offset, length)
    except FileMissing as error:
        raise FileMissing(f"{error} {RECOVERY}.", code=error.code) from error


class ResultsFile:
    """Writes the lines of one try after those that the ledger has already."""

    def __init__(
        self,
        folder: Path,
        batch_key: str,
        *,
        committed_bytes: int,
        own: str,
        is_intact: Callable[[BinaryIO], bool] = lambda _part: True,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> None:
        """Start a file of this try, with `own` in its name and the committed lines in it.

        `is_intact` says whether the file of the earlier tries has these lines. `is_restarted`: it
        has not, is missing or too short, so that all lines are written again. Raises LedgerUnusable
        when the file cannot be written.
        """
        self.path = folder / file_name(batch_key)
        self._part = folder / f"{file_name(batch_key)}.part"
        self._own = folder / f"{file_name(batch_key)}.{own}.try"
        self._crash_point = crash_point
        self._has_replaced_part = False
        try:
            make_private(folder)
            self._file = open_private(self._own)
            self.offset = self._copy_committed(committed_bytes, is_intact)
        except OSError as error:
            raise self._unusable(error) from error
        self.is_restarted = self.offset < committed_bytes

    def _copy_committed(self, committed_bytes: int, is_intact: Callable[[BinaryIO], bool]) -> int:
        """Copy the committed lines, all or none. Returns their bytes."""
        with suppress(FileNotFoundError):
            if committed_bytes:
                with open_regular(self._part) as part:
                    if is_intact(part):
                        part.seek(0)
                        shutil.copyfileobj(part, self._file)
        offset = committed_bytes if self._file.tell() >= committed_bytes else 0
        self._file.seek(offset)
        self._file.truncate()
        return offset

    @property
    def part_name(self) -> str:
        """The partial file as people find it."""
        return f"{self._part.parent.name}/{self._part.name}"

    def write(self, line: bytes) -> int:
        """Append one line, given without its newline; returns its byte offset."""
        offset = self.offset
        try:
            # In two writes into the buffer: to join them would copy the line.
            self._file.write(line)
            self._file.write(b"\n")
        except OSError as error:
            raise self._unusable(error) from error
        self.offset += len(line) + 1
        return offset

    def sync(self) -> None:
        """Fsync the file."""
        try:
            self._crash_point("results:fsync")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._unusable(error) from error

    def replace_part(self) -> None:
        """Inside the transaction of this try: replace the previous partial file."""
        try:
            self._crash_point("results:replace_part")
            replace(self._own, self._part)
            self._has_replaced_part = True
        except OSError as error:
            raise self._unusable(error) from error

    def finish(self) -> None:
        """Rename the complete file, if it is this try's."""
        if not self._has_replaced_part:
            return
        try:
            self._crash_point("results:rename")
            replace(self._part, self.path)
        except FileNotFoundError:
            # Another poll has read the commit and renamed the file.
            return
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file; delete it where it did not become the partial file."""
        try:
            self._file.close()
            self._own.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LedgerUnusable:
        return file_error(
            error,
            f"Cannot write {self.path}: {cause(error, self.path).text}. The results stay at the API"
            " for 29 days; the next poll downloads them.",
            code="results_unwritable",
        )
