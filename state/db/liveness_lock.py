"""A lock that ends with its process, to tell one that was killed from a running one.

The lease (`state/batches/leases.py`) decides which process polls; this lock shows whether that
process still lives, so that the lease of a dead one need not expire first. Another shows whether
the delivery hook of a killed poll still runs. It is SQLite's lock on an empty file; the operating
system releases it when the process ends. It is of one host and home: where hosts share a ledger,
a lease names the lock that its holder keeps.
"""

import hashlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from state.db.connection import sqlite3
from state.files.folder import make_private_file

# What a writer of SQLite locks.
_RESERVED_BYTE = 0x40000001
# The files that this process has locked, by device and inode.
_held: set[tuple[int, int]] = set()
_guard = threading.Lock()


def _begin_child() -> None:
    """A child has none of the locks."""
    _held.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_begin_child
    )


def place_id(path: Path) -> str:
    """Names the file or folder among those of all hosts; "" where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return ""
    named = f"{socket.gethostname()}\n{path.absolute()}\n{status.st_dev}\n{status.st_ino}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@contextmanager
def try_lock(path: Path) -> Generator[bool | None, None, None]:
    """Try to lock for the block; False if another process has the lock.

    None if the file system supports no such lock, so that nothing is known.
    """
    try:
        make_private_file(path)
        connection = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    except (OSError, sqlite3.Error):
        yield None
        return
    # Nothing else opens the file: closing it would release the lock.
    with _guard:
        is_free = _begin(connection)
        file = _identity(path) if is_free else None
        if file:
            _held.add(file)
    try:
        yield is_free
    finally:
        with _guard, closing(connection):
            if file:
                _held.discard(file)


def _begin(connection: sqlite3.Connection) -> bool | None:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return False if "locked" in str(error) else None
    return True


def is_free(path: Path) -> bool | None:
    """Whether no process has the lock; None where that is not known.

    It only looks: who tries to lock meanwhile is not disturbed.
    """
    if sys.platform not in ("linux", "darwin"):
        return None
    with _guard:
        if _identity(path) in _held:
            return False
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            return _is_unlocked(file)
        except OSError:
            return None
        finally:
            os.close(file)


def _is_unlocked(file: int) -> bool:
    import fcntl  # noqa: PLC0415 - not on every system

    kind, origin = fcntl.F_RDLCK, os.SEEK_SET
    # `struct flock`: the order of its fields differs.
    if sys.platform == "darwin":
        asked = struct.pack("qqihh", _RESERVED_BYTE, 1, 0, kind, origin)
        return struct.unpack("qqihh", fcntl.fcntl(file, fcntl.F_GETLK, asked))[3] == fcntl.F_UNLCK
    asked = struct.pack("hhqqi", kind, origin, _RESERVED_BYTE, 1, 0)
    return struct.unpack("hhqqi", fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] == fcntl.F_UNLCK


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
