"""Copies the spool and results files of a ledger to the place of another one, and compares them."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from state.db.copies.sides import CopySource, CopyTarget, FileName
from state.files import archive
from state.files.archive import ArchivedFile
from state.files.file_errors import file_error
from state.files.file_store import pieces
from state.files.folder import make_private, open_private, replace
from state.files.regular_file import open_regular
from state.files.system_errors import cause
from state.model.errors import FileMissing, LedgerUnusable

_BLOCK = 1 << 20
_SHOWN = "files"


class FilesCopied(Struct, frozen=True, kw_only=True):
    """The files of the ledger, equal in both places."""

    files: int
    #: Uncompressed.
    bytes: int
    #: Names of files that the ledger refers to, and that it does not have.
    missing: list[str]


def copy_files(
    source: CopySource, target: CopyTarget, progress: Callable[[str, int, int], None]
) -> FilesCopied:
    """Copy each file that the ledger refers to; memory does not grow with their size.

    Raises LedgerUnusable where one cannot be written, or differs when it is read back.
    """
    names, octets, missing = source.file_names(), 0, list[str]()
    for number, name in enumerate(names, 1):
        try:
            octets += _copy(source, target, name)
        except FileMissing:
            missing.append(f"{name.folder}/{name.name}")
        except OSError as error:
            path = Path(error.filename or name.name)
            raise file_error(
                error,
                f"The file {name.name} cannot be copied: {cause(error, path).text}.",
                code="file_unusable",
            ) from error
        progress(_SHOWN, number, len(names))
    return FilesCopied(files=len(names) - len(missing), bytes=octets, missing=missing)


def _copy(source: CopySource, target: CopyTarget, name: FileName) -> int:
    """Bytes of the file. Raises FileMissing, OSError."""
    if target.root is not None:
        local = target.root / name.folder / name.local_name
        digest, size = _write(_blocks(source, name), local)
        archive.compressed_path(local).unlink(missing_ok=True)
        _compare(name, digest, _digest(_file_blocks(local))[0])
        return size
    # A host that only copies from one database to another has no TITAN_HOME yet.
    make_private(source.scratch)
    with TemporaryDirectory(prefix="titan-copy-", dir=source.scratch) as scratch:
        local = source.root / name.folder / name.local_name if source.root else None
        if local is not None and local.is_file():
            digest, size = _digest(_file_blocks(local))
        else:
            local = Path(scratch) / name.folder / name.name
            digest, size = _write(_blocks(source, name), local)
        path = Path(name.folder) / name.name
        target.store(local, path)
        _compare(name, digest, _digest(pieces(target.files, path))[0])
        return size


def _blocks(source: CopySource, name: FileName) -> Iterator[bytes]:
    """The file in parts. Raises FileMissing, also where it is damaged."""
    if source.root is None:
        path = Path(name.folder) / name.name
        if path not in source.files.sizes([path]):
            raise FileMissing(f"{path} is missing.")
        return pieces(source.files, path)
    path = source.root / name.folder / name.local_name
    try:
        return _archived_blocks(ArchivedFile(archive.compressed_path(path)))
    except FileNotFoundError as error:
        if not path.is_file():
            raise FileMissing(f"Cannot read {path}: {error.strerror}.") from error
        return _file_blocks(path)


def _archived_blocks(file: ArchivedFile) -> Iterator[bytes]:
    with closing(file):
        for at in range(0, file.size, _BLOCK):
            yield file.read_at(at, min(_BLOCK, file.size - at))


def _file_blocks(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while block := file.read(_BLOCK):
            yield block


def _digest(blocks: Iterator[bytes]) -> tuple[bytes, int]:
    """The hash of the bytes, and their number."""
    digest, size = blake2b(digest_size=32), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return digest.digest(), size


def _write(blocks: Iterator[bytes], path: Path) -> tuple[bytes, int]:
    """Write a new file durably; the hash of what was read, and its bytes."""
    make_private(path.parent)
    part = path.with_name(f"{path.name}.fetch")
    digest, size = blake2b(digest_size=32), 0
    try:
        with open_private(part) as file:
            for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return digest.digest(), size


def _compare(name: FileName, expected: bytes, found: bytes) -> None:
    if found != expected:
        raise LedgerUnusable(
            f"The copy of {name.folder}/{name.name} differs from what was read; the copy is not"
            " used. Copy again.",
            code="copy_differs",
        )
