"""The log of unforeseen errors in polls: each stack once, without messages and variables."""

import os
from contextlib import suppress
from datetime import datetime

from state.files.folder import Folder, open_private
from state.files.regular_file import read_regular

# Each entry is another stack, so that this is never reached by one error.
_MOST_BYTES = 1 << 20


def append_once(folder: Folder, stack: str, now: datetime) -> None:
    """Append the stack, unless it is there; a log that cannot be written stops nothing."""
    path = folder.crash_log
    with suppress(OSError):
        known = read_regular(path) if path.exists() else b""
        if stack.encode() in known or len(known) > _MOST_BYTES:
            return
        with open_private(path, append=True) as log:
            log.write(f"{now.isoformat()} {stack}".encode())
            log.flush()
            os.fsync(log.fileno())
