"""A lock that ends with its process: it tells a poll that died from one that is at work.

It is SQLite's lock on an empty file of its own, which the system takes away from the dead.
"""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from state.db.connection import sqlite3
from state.files.folder import make_private_file


@contextmanager
def try_lock(path: Path) -> Generator[bool, None, None]:
    """Whether no living process has it; inside, this one does.

    False also where there can be no such lock: then nothing is known.
    """
    try:
        make_private_file(path)
        connection = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    except (OSError, sqlite3.Error):
        yield False
        return
    with closing(connection):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            yield False
        else:
            yield True
