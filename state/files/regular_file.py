"""Opens files only: a pipe in the place of one would be waited for, a device never ends."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

# The system's own error for a socket; `system_errors.cause` has the words.
NOT_REGULAR = errno.ENXIO


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. Raises OSError, also for anything else than a file."""
    require_regular(path)
    return path.open("rb")


def read_regular(path: Path) -> bytes:
    """The content of a file. Raises OSError as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def refuse_pipe(path: Path) -> None:
    """Raise OSError for a pipe."""
    if path.is_fifo():
        raise OSError(NOT_REGULAR, os.strerror(NOT_REGULAR), str(path))


def require_regular(path: Path) -> os.stat_result:
    """What the system knows of the file. Raises OSError for anything else than a file."""
    found = path.stat()
    if stat.S_ISREG(found.st_mode):
        return found
    number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else NOT_REGULAR
    raise OSError(number, os.strerror(number), str(path))
