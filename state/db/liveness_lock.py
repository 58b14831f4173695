"""A lock that ends with its process, to tell one that was killed from a running one.

The lease (`state/batches/leases.py`) decides which process polls; this lock shows whether that
process still lives, so that the lease of a dead one need not expire first. Another shows whether
the delivery hook of a killed poll still runs. It is SQLite's lock on an empty file; the operating
system releases it when the process ends. It is of one host and home: where hosts share a ledger,
a lease names the lock that its holder keeps.
"""

import hashlib
import socket
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from state.db.connection import sqlite3
from state.files.folder import make_private_file


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
    with closing(connection):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            yield False if "locked" in str(error) else None
        else:
            yield True
