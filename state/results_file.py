"""The answers of one batch on disk: a file that grows over the tries until it is whole."""

import os
from collections.abc import Callable
from pathlib import Path

from state.errors import LedgerUnusable
from state.folder import make_private, open_private, replace
from state.ledger import Ledger, no_step


def file_name(batch_key: str) -> str:
    """The name of a batch's file in the results folder."""
    return f"{batch_key}.jsonl"


class ResultsFile:
    """Appends the lines of one try behind those that the ledger has already taken in."""

    def __init__(
        self,
        folder: Path,
        batch_key: str,
        *,
        committed_bytes: int,
        step: Callable[[str], None] = no_step,
    ) -> None:
        """Open the file as the ledger knows it: what lies behind `committed_bytes` is dropped.

        Raises LedgerUnusable when it cannot be written, or is shorter than the ledger says.
        """
        self.path = folder / file_name(batch_key)
        self._part = folder / f"{file_name(batch_key)}.part"
        self._step = step
        self.offset = committed_bytes
        try:
            make_private(folder)
            if self.path.exists():
                # A kill came after the rename and before the commit that it belongs to.
                replace(self.path, self._part)
            self._file = open_private(self._part, append=True)
            if self._part.stat().st_size < committed_bytes:
                self._file.close()
                raise LedgerUnusable(f"{self._part} is shorter than the ledger says.")
            self._file.truncate(committed_bytes)
        except OSError as error:
            raise self._unusable(error) from error

    def write(self, line: bytes) -> int:
        """Append one line, without its newline; where it begins."""
        offset = self.offset
        try:
            self._file.write(line)
            self._file.write(b"\n")
        except OSError as error:
            raise self._unusable(error) from error
        self.offset += len(line) + 1
        return offset

    def sync(self) -> None:
        """Make what was written last."""
        try:
            self._step("results:fsync")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._unusable(error) from error

    def finish(self) -> None:
        """Give the whole file its name."""
        try:
            self._step("results:rename")
            replace(self._part, self.path)
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Let go of the file; what was not synced is dropped by the next try."""
        try:
            self._file.close()
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LedgerUnusable:
        return LedgerUnusable(
            f"Cannot write {self.path}: {error.strerror or error}. The results stay at the API"
            " for 29 days; free some space, and the next pass fetches them."
        )


def name_the_finished(ledger: Ledger, folder: Path) -> None:
    """Give each whole file its name where a kill came between the commit and the rename."""
    for part in folder.glob("*.jsonl.part"):
        key = part.name.removesuffix(".jsonl.part")
        if ledger.row(
            "SELECT 1 FROM batches WHERE key = ? AND collection IN ('collected', 'gone')", key
        ):
            replace(part, folder / file_name(key))
