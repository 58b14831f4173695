"""Request bodies: on disk, fsynced, and in the shared store before the ledger refers to them."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from state.files import archive, windows_calls
from state.files.archive import ArchivedFile
from state.files.file_errors import file_error
from state.files.file_store import FileStore
from state.files.folder import discard, make_private, open_private, replace
from state.files.regular_file import require_regular
from state.files.stored_file import StoredFile
from state.files.system_errors import cause
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, FileUnusable, LedgerUnusable


class SpoolWriter:
    """One new spool file; gets its final name only when it is complete."""

    def __init__(
        self,
        folder: Path,
        name: str,
        store: FileStore,
        *,
        crash_point: Callable[[str], None] = no_crash_point,
    ) -> None:
        """Begin `<folder>/<name>`. Raises LedgerUnusable when the folder cannot be written."""
        self.path = folder / name
        self._store = store
        self._part = folder / f"{name}.part"
        # The import of a fallback file writes the same file again where a kill came between.
        self._was_there = self.path.exists()
        self._crash_point = crash_point
        self._offset = 0
        try:
            make_private(folder)
            self._file = open_private(self._part)
        except OSError as error:
            raise _unusable(folder, error) from error

    def write(self, line: bytes) -> int:
        """Append one line, given without its newline; returns its byte offset."""
        offset = self._offset
        try:
            self._file.write(line)
            self._file.write(b"\n")
        except OSError as error:
            raise _unusable(self.path, error) from error
        self._offset += len(line) + 1
        return offset

    def finish(self) -> None:
        """Fsync the file, rename it, and upload it; the transaction that refers to it keeps it."""
        try:
            self._crash_point("spool:fsync")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._crash_point("spool:rename")
            replace(self._part, self.path)
            self._store.upload(self.path)
        except OSError as error:
            raise _unusable(self.path, error) from error

    def discard(self) -> None:
        """Remove the file, complete or not, unless it was there before."""
        with suppress(OSError):
            discard(self._file, self._part)
            if not self._was_there:
                self.path.unlink(missing_ok=True)
        self._store.discard(self.path)


def may_begin_with(folder: Path, line: bytes) -> bool:
    """Whether a file in the folder, compressed or not, has this first line, or cannot be read."""
    found = {path.with_name(path.name.removesuffix(archive.SUFFIX)) for path in folder.glob("*")}
    return any(_may_begin_with(path, line) for path in sorted(found))


def _may_begin_with(path: Path, line: bytes) -> bool:
    try:
        return next(archive.lines(path), b"").rstrip(b"\n") == line
    except FileNotFoundError:
        return False
    except (OSError, FileMissing):
        return True


def _unusable(path: Path, error: OSError) -> LedgerUnusable:
    return file_error(
        error,
        f"Cannot write {path}: {cause(error, path).text}. Nothing was submitted; correct that, or"
        " set TITAN_HOME to another folder.",
        code="spool_unwritable",
    )


class LineReader:
    """Reads lines of JSONL files in one folder by offset; keeps the last file open."""

    def __init__(self, folder: Path, store: FileStore) -> None:
        """For the files of that folder; those that are not on this disk come from the store."""
        self._folder = folder
        self._store = store
        self._name = ""
        self._file: _PlainFile | ArchivedFile | StoredFile | None = None

    def __enter__(self) -> Self:
        """Use as `with LineReader(...) as lines`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file that is open."""
        self.close()

    def close(self) -> None:
        """Close the open file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._name = ""

    def read(self, name: str, offset: int, length: int) -> bytes:
        """The bytes at that offset. Raises FileMissing where they are missing."""
        try:
            file = self._file
            # Most lines follow another one of the same file.
            if type(file) is not _PlainFile or name != self._name:
                file = self._opened(name)
            line = file.read_at(offset, length)
            if len(line) != length and self._store.is_shared:
                line = self._stored(name).read_at(offset, length)
        except OSError as error:
            path = self._folder / name
            raise FileMissing(f"Cannot read {path}: {cause(error, path).text}.") from error
        if len(line) != length:
            raise FileMissing(
                f"{self._folder / name} is shorter than recorded in the ledger.",
                code="file_truncated",
            )
        return line

    def _opened(self, name: str) -> "_PlainFile | ArchivedFile | StoredFile":
        is_fetched = isinstance(self._file, StoredFile) and self._file.fetch_if_worthwhile()
        if self._file is None or name != self._name or is_fetched:
            self.close()
            self._file = self._open(name)
            self._name = name
        return self._file

    def _open(self, name: str) -> "_PlainFile | ArchivedFile | StoredFile":
        path = self._folder / name
        # Old files are compressed; a partly collected one still has its `.part` name.
        for way in (lambda: _PlainFile(path), lambda: ArchivedFile(archive.compressed_path(path))):
            with suppress(FileNotFoundError):
                return way()
        try:
            return _PlainFile(self._folder / f"{name}.part")
        except FileNotFoundError:
            if path not in self._store.sizes([path]):
                raise
            return StoredFile(self._store, path)

    def _stored(self, name: str) -> StoredFile:
        """The file in the store: the copy on this disk is from an earlier try to collect it."""
        if not isinstance(self._file, StoredFile):
            self.close()
            self._file = StoredFile(self._store, self._folder / name)
            self._name = name
        return self._file


class _PlainFile:
    """Reads single lines without buffering their neighbours."""

    def __init__(self, path: Path) -> None:
        require_regular(path)
        self._file = FileIO(path, "rb")
        self._descriptor = self._file.fileno()
        self._has_pread = not windows_calls.is_windows()
        self.close = self._file.close

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer at the end of the file. Raises OSError."""
        if self._has_pread:
            return os.pread(self._descriptor, length, offset)
        self._file.seek(offset)
        return self._file.read(length)


def check_complete(folder: Path, ends: Mapping[str, int], store: FileStore) -> None:
    """Raise FileMissing unless each file exists with at least the bytes that the ledger needs.

    Raises FileUnusable where that cannot be told now.
    """
    for name, end in ends.items():
        path, missing = folder / name, None
        try:
            size = archive.size(path)
        except FileNotFoundError as error:
            size, missing = 0, error
        except OSError as error:
            raise FileUnusable(f"Cannot read {path}: {cause(error, path).text}.") from error
        if (size < end or missing) and (stored := store.sizes([path]).get(path)) is not None:
            size, missing = stored, None
        if missing is not None:
            raise FileMissing(f"Cannot read {path}: {missing.strerror}.") from missing
        if size < end:
            raise FileMissing(
                f"{path} is shorter than recorded in the ledger.", code="file_truncated"
            )
