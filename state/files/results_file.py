"""The results file of one batch, which grows over several tries until it is complete.

Each try writes its own file, which starts with a copy of the lines that the ledger has already.
The file replaces the previous one inside the transaction of the try, so that two processes, or one
that was suspended for hours, never write into each other's results. In the shared store, the lines
of a try continue those of the earlier ones in the same transaction.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from state.files.file_errors import file_error
from state.files.file_store import FileStore, fetch
from state.files.folder import discard, make_private, open_private, replace
from state.files.regular_file import open_regular
from state.files.spool import LineReader
from state.files.system_errors import cause
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, LedgerUnusable

_BLOCK = 1 << 20


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
        store: FileStore,
        *,
        committed_bytes: int,
        own: str,
        is_intact: Callable[[BinaryIO], bool] = lambda _part: True,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> None:
        """Start a file of this try, with `own` in its name and the committed lines in it.

        `is_intact` says whether the file of the earlier tries has these lines; where it has not,
        or is missing or too short, that of the store is used. `is_restarted`: there is none there
        either, so that all lines are written again. Raises LedgerUnusable when the file cannot be
        written.
        """
        self.path = folder / file_name(batch_key)
        self._part = folder / f"{file_name(batch_key)}.part"
        self._own = folder / f"{file_name(batch_key)}.{own}.try"
        self._store = store
        self._crash_point = crash_point
        self._is_recorded = False
        try:
            make_private(folder)
            self._file = open_private(self._own)
            self.offset = self._copy_committed(committed_bytes, is_intact)
            if self.offset < committed_bytes and fetch(store, self.path, to=self._part):
                self.offset = self._copy_committed(committed_bytes, is_intact)
            self.is_restarted = self.offset < committed_bytes
            # Where the new lines of a stored file begin.
            self._start = self.offset
            if self.is_restarted and store.is_shared:
                self._write_blank_lines(committed_bytes)
        except OSError as error:
            with suppress(OSError, AttributeError):
                discard(self._file, self._own)
            raise self._unusable(error) from error

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

    def _write_blank_lines(self, count: int) -> None:
        """In the place of lost lines: a copy on another host is then too short, never another."""
        for at in range(0, count, _BLOCK):
            self._file.write(b"\n" * min(_BLOCK, count - at))
        self.offset = count

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
        """Fsync the file, and upload what is new in it."""
        try:
            self._crash_point("results:fsync")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._store.upload(self._own, start=self._start)
        except OSError as error:
            raise self._unusable(error) from error

    def replace_part(self) -> None:
        """Inside the transaction of this try: replace the previous partial file."""
        try:
            self._crash_point("results:replace_part")
            self._store.keep(self._own, under=self.path)
            if not self._store.is_shared:
                replace(self._own, self._part)
            self._is_recorded = True
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def is_replaced(self) -> bool:
        """Whether the partial file on this disk is that of this try."""
        return self._is_recorded and not self._store.is_shared

    def drop_part(self) -> None:
        """Delete the partial file, which the ledger does not refer to."""
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def finish(self, *, complete: bool) -> None:
        """After the commit: give the file its name, if it is this try's.

        Of a shared store no line is read from this disk before the commit: should that fail,
        another host may store other lines there.
        """
        if not self._is_recorded or not (complete or self._store.is_shared):
            return
        source = self._own if self._store.is_shared else self._part
        try:
            self._crash_point("results:rename")
            replace(source, self.path if complete else self._part)
            if complete and self._store.is_shared:
                self._part.unlink(missing_ok=True)
        except FileNotFoundError:
            # Another poll has read the commit and renamed the file.
            return
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file; delete it where it did not become the partial file."""
        try:
            discard(self._file, self._own)
            if not self._is_recorded:
                self._store.discard(self._own)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LedgerUnusable:
        return file_error(
            error,
            f"Cannot write {self.path}: {cause(error, self.path).text}. The results stay at the API"
            " for 29 days; the next poll downloads them.",
            code="results_unwritable",
        )
