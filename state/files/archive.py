"""Compressed finished files: zstd's seekable format in frames of 1 MiB, each readable alone.

Any zstd decompresses such a file. A file exists under its plain name, or compressed, or briefly
under both; all code that reads it uses this module.
"""

import io
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from state.files.folder import open_private, replace, sync_folder
from state.files.regular_file import open_regular, require_regular
from state.model.errors import FileMissing

if TYPE_CHECKING:
    from types import ModuleType

SUFFIX = ".zst"
_FRAME = 1 << 20
_LEVEL = 3


class ArchivedFile:
    """Reads a compressed file at any offset."""

    def __init__(self, path: Path) -> None:
        """Open the file and read its seek table.

        Raises FileNotFoundError, or FileMissing where the file is damaged.
        """
        self._path = path
        require_regular(path)
        try:
            self._file = _zstd().SeekableZstdFile(path)
        except (_zstd().SeekableFormatError, EOFError) as error:
            raise FileMissing(f"{path} is damaged: {error}.") from error
        _, _, self.size = self._file.seek_table_info

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer at the end of the file. Raises OSError."""
        try:
            self._file.seek(offset)
            return self._file.read(length)
        except (_zstd().ZstdError, EOFError) as error:
            raise OSError(f"{self._path} is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@cache
def _zstd() -> "ModuleType":
    """The library; a poll without a compressed file does not load it."""
    import pyzstd  # noqa: PLC0415 - 20 ms

    return pyzstd


def compressed_path(path: Path) -> Path:
    """The path of the compressed file."""
    return path.with_name(path.name + SUFFIX)


def exists(path: Path) -> bool:
    """Whether the file exists in either form."""
    return path.exists() or compressed_path(path).exists()


def size(path: Path) -> int:
    """Uncompressed size in bytes. Raises OSError where there is no such file."""
    try:
        return require_regular(path).st_size
    except FileNotFoundError:
        archived = ArchivedFile(compressed_path(path))
        archived.close()
        return archived.size


def lines(path: Path) -> Iterator[bytes]:
    """Every line of the file with its newline.

    Raises OSError where it does not exist, FileMissing where the compressed one is damaged.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:
        yield from _unpacked_lines(compressed_path(path))
        return
    with file:
        yield from file


def _unpacked_lines(path: Path) -> Iterator[bytes]:
    require_regular(path)
    with io.BufferedReader(_zstd().ZstdFile(path)) as file:
        try:
            yield from file
        except (_zstd().ZstdError, EOFError) as error:
            raise FileMissing(f"{path} is damaged: {error}. Move it away.") from error


def compress(path: Path) -> int:
    """Replace the plain file by its compressed form; returns the bytes saved.

    The copy is on disk and was read back before the original is removed. Raises OSError.
    """
    target = compressed_path(path)
    part = target.with_name(f"{target.name}.part")
    try:
        _write(path, part)
        _compare(path, part)
        saved = path.stat().st_size - part.stat().st_size
        replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
    sync_folder(path.parent)
    return saved


def _write(path: Path, part: Path) -> None:
    with path.open("rb") as source, open_private(part) as target:
        packer = _zstd().SeekableZstdFile(
            target, "w", level_or_option=_LEVEL, max_frame_content_size=_FRAME
        )
        with packer:
            while block := source.read(_FRAME):
                packer.write(block)
        target.flush()
        os.fsync(target.fileno())


def _compare(path: Path, part: Path) -> None:
    copy = ArchivedFile(part)
    try:
        offset = 0
        with path.open("rb") as source:
            while block := source.read(_FRAME):
                if copy.read_at(offset, len(block)) != block:
                    raise OSError(f"{part} differs from {path}")
                offset += len(block)
        if offset != copy.size:
            raise OSError(f"{part} differs from {path}")
    finally:
        copy.close()
