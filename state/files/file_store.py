"""The store of spool and results files that hosts with one ledger share.

The files of a ledger in SQLite are on this host's disk and nowhere else: `LocalFiles`. Hosts that
share a ledger keep them in its database, or in another store with the same methods; the files on
the disk of a host are then copies. A byte of a stored file never changes: a file is stored whole,
or grows at its end. So a copy is valid as far as it reaches.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from state.files import archive
from state.files.folder import make_private, open_private, replace


class Piece(NamedTuple):
    """A part of a stored file: where it starts, and its bytes."""

    start: int
    data: bytes


class FileStore(Protocol):
    """Stores files under the name of their folder, such as `spool`, and their own.

    An upload takes a while and is made before the transaction of the ledger; `keep` and `release`
    are short and are called inside it, so that the ledger refers to what is stored and to nothing
    else. The methods raise LedgerUnusable where the store cannot be reached.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other hosts store and read files here."""
        ...

    def upload(self, path: Path, *, start: int = 0) -> None:
        """Store the local file from its byte `start` on, in short transactions.

        It is not readable before `keep`. What a killed process leaves is removed a day later.
        """
        ...

    def append(self, path: Path, data: bytes) -> None:
        """Add to a file that the ledger refers to already, or begin it; it is readable at once."""
        ...

    def keep(self, path: Path, *, under: Path | None = None) -> None:
        """Inside a transaction: the ledger refers to the uploaded file from now on.

        It gets the name of `under`, and continues that file where it was uploaded from the end of
        it on, else replaces it. Raises LedgerUnusable where the upload was removed.
        """
        ...

    def discard(self, path: Path) -> None:
        """Forget an upload of this file that was not kept; never raises."""
        ...

    def release(self, paths: Iterable[Path]) -> None:
        """The ledger does not refer to these any more; `sweep` deletes them."""
        ...

    def sizes(self, paths: Iterable[Path], /) -> Mapping[Path, int]:
        """Bytes of each of the files that is stored."""
        ...

    def occupied(self, paths: Iterable[Path], /) -> tuple[int, int]:
        """How many of the files are stored, and the bytes that they take in the store."""
        ...

    def piece(self, path: Path, at: int, /) -> Piece | None:
        """The part of the file that has the byte `at`; None where the file does not reach it."""
        ...

    def sweep(self, is_over: Callable[[], bool] = lambda: False, /) -> int:
        """Delete what was released, and uploads that ended without `keep`; their number.

        In short transactions, until `is_over` after one of them; the next sweep goes on.
        """
        ...


class LocalFiles:
    """The files are on the disk of this host only."""

    is_shared = False

    def upload(self, path: Path, *, start: int = 0) -> None:
        """Nothing: it is on the disk."""

    def append(self, path: Path, data: bytes) -> None:
        """Nothing: it was written to the disk."""

    def keep(self, path: Path, *, under: Path | None = None) -> None:
        """Nothing: its final name says so."""

    def discard(self, path: Path) -> None:
        """Nothing: nothing was uploaded."""

    def release(self, paths: Iterable[Path]) -> None:
        """Nothing: it is deleted from the disk."""

    def sizes(self, _paths: Iterable[Path], /) -> Mapping[Path, int]:
        """None."""
        return {}

    def occupied(self, _paths: Iterable[Path], /) -> tuple[int, int]:
        """None."""
        return 0, 0

    def piece(self, _path: Path, _at: int, /) -> Piece | None:
        """None."""
        return None

    def sweep(self, _is_over: Callable[[], bool] = lambda: False, /) -> int:
        """0."""
        return 0


LOCAL_FILES = LocalFiles()
# What a fetch that was killed leaves; `state.batches.stale_files` deletes it.
FETCHED = ".fetch"


def pieces(store: FileStore, path: Path) -> Iterator[bytes]:
    """The bytes of a stored file in parts; none where it is not stored."""
    at = 0
    while (piece := store.piece(path, at)) is not None:
        yield piece.data[at - piece.start :]
        at = piece.start + len(piece.data)


def fetch(store: FileStore, path: Path, *, to: Path | None = None) -> bool:
    """Copy the stored file to its place on the disk, or to `to`; whether there is one.

    Raises OSError where it cannot be written, and what `piece` raises.
    """
    target = to or path
    parts = pieces(store, path)
    first = next(parts, None)
    if first is None:
        return False
    make_private(target.parent)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}{FETCHED}")
    try:
        with open_private(part) as file:
            file.write(first)
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return True


def make_local(store: FileStore, path: Path) -> bool:
    """Whether the file is on the disk; it is fetched where it is missing or ends too early.

    Raises OSError where it cannot be written, and what `piece` raises.
    """
    stored = store.sizes([path]).get(path)
    if stored is not None and local_size(path) < stored:
        return fetch(store, path)
    return archive.exists(path)


def exists(store: FileStore, path: Path) -> bool:
    """Whether there is such a file: in a store that hosts share, else on the disk."""
    return path in store.sizes([path]) if store.is_shared else archive.exists(path)


def local_size(path: Path) -> int:
    """Bytes of the file on the disk, 0 where there is none. Raises OSError for what is no file."""
    try:
        return archive.size(path)
    except FileNotFoundError:
        return 0
