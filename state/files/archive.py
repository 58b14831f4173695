"""Finished files in less space: zstd in frames of 1 MiB, of which each can be read on its own.

The layout is zstd's seekable format, so any zstd reads such a file whole. A file is there under
its plain name, or compressed, or for a moment both; whoever reads asks here.
"""

import io
import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from state.files.folder import open_private, replace, sync_folder
from state.model.errors import FileLost

if TYPE_CHECKING:
    from types import ModuleType

SUFFIX = ".zst"
_FRAME = 1 << 20
_LEVEL = 3
_SKIPPABLE = 0x184D2A5E
_TABLE_MAGIC = 0x8F92EAB1
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOT = struct.Struct("<IBI")


class ArchivedFile:
    """Reads a compressed file at any place; keeps the frame that it read last."""

    def __init__(self, path: Path) -> None:
        """Open it and read its table. Raises FileNotFoundError, or FileLost where it is damaged."""
        self._path = path
        self._file = path.open("rb")
        try:
            entries = _table(self._file)
        except (OSError, struct.error, ValueError) as error:
            self._file.close()
            raise FileLost(f"{path} is damaged: {error}.") from error
        self._packed = [0, *accumulate(packed for packed, _ in entries)]
        self._plain = [0, *accumulate(plain for _, plain in entries)]
        self._frame = -1
        self._content = b""

    @property
    def size(self) -> int:
        """Bytes of the file as it was."""
        return self._plain[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """The bytes from there on; fewer where it ends. Raises OSError."""
        pieces: list[bytes] = []
        while length and offset < self.size:
            frame = bisect_right(self._plain, offset) - 1
            within = offset - self._plain[frame]
            piece = self._load(frame)[within : within + length]
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _load(self, frame: int) -> bytes:
        if frame != self._frame:
            self._file.seek(self._packed[frame])
            packed = self._file.read(self._packed[frame + 1] - self._packed[frame])
            try:
                self._content = _zstd().decompress(packed)
            except _zstd().ZstdError as error:
                raise OSError(f"{self._path} is damaged: {error}") from error
            if len(self._content) != self._plain[frame + 1] - self._plain[frame]:
                raise OSError(f"{self._path} is damaged: a frame has another length")
            self._frame = frame
        return self._content


def _table(file: BinaryIO) -> list[tuple[int, int]]:
    """The packed and the plain length of each frame."""
    file.seek(-_FOOT.size, os.SEEK_END)
    count, _, magic = _FOOT.unpack(file.read(_FOOT.size))
    if magic != _TABLE_MAGIC:
        raise ValueError("it has no table at its end")
    file.seek(-_FOOT.size - count * _ENTRY.size, os.SEEK_END)
    return list(_ENTRY.iter_unpack(file.read(count * _ENTRY.size)))


def _zstd() -> "ModuleType":
    """The library; a pass that meets no compressed file does without."""
    from importlib import import_module  # noqa: PLC0415 - 20 ms, as is what it loads

    return import_module("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")


def packed(path: Path) -> Path:
    """Where the compressed file lies."""
    return path.with_name(path.name + SUFFIX)


def is_there(path: Path) -> bool:
    """Whether the file is there in either form."""
    return path.exists() or packed(path).exists()


def size(path: Path) -> int:
    """Bytes of the file as it was. Raises OSError where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        archived = ArchivedFile(packed(path))
        archived.close()
        return archived.size


def lines(path: Path) -> Iterator[bytes]:
    """Every line of the file, its end included. Raises OSError where it is not there."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        file = io.BufferedReader(_zstd().ZstdFile(packed(path)))
    with file:
        yield from file


def compress(path: Path) -> int:
    """Put the compressed file in the place of the plain one; how many bytes that saves.

    The copy is on disk and has been read back before the original goes. Raises OSError.
    """
    target = packed(path)
    part = target.with_name(f"{target.name}.part")
    try:
        before = _write(path, part)
        _compare(path, part)
        after = part.stat().st_size
        replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    path.unlink()
    sync_folder(path.parent)
    return before - after


def _write(path: Path, part: Path) -> int:
    entries: list[tuple[int, int]] = []
    with path.open("rb") as source, open_private(part) as target:
        while block := source.read(_FRAME):
            frame = _zstd().compress(block, _LEVEL)
            target.write(frame)
            entries.append((len(frame), len(block)))
        table = b"".join(_ENTRY.pack(*entry) for entry in entries)
        target.write(_HEAD.pack(_SKIPPABLE, len(table) + _FOOT.size))
        target.write(table + _FOOT.pack(len(entries), 0, _TABLE_MAGIC))
        target.flush()
        os.fsync(target.fileno())
    return sum(plain for _, plain in entries)


def _compare(path: Path, part: Path) -> None:
    copy = ArchivedFile(part)
    try:
        offset = 0
        with path.open("rb") as source:
            while block := source.read(_FRAME):
                if copy.read_at(offset, len(block)) != block:
                    raise OSError(f"{part} does not read back as {path}")
                offset += len(block)
    finally:
        copy.close()
