"""Logs a crash without variables, so that no key or body is written."""

import os
import traceback
from datetime import datetime
from pathlib import Path

from core.redaction import redact
from titan_console.text.safe_text import clean

LOG_NAME = "console-crash.log"
_MESSAGE_CELLS = 200


def one_line(error: BaseException) -> str:
    """The type of the error and its shortened message."""
    message = clean(redact(str(error)), _MESSAGE_CELLS)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def write(folder: Path, error: BaseException, now: datetime) -> Path | None:
    """Append the stack to a private log; its path, or None where it cannot be written."""
    path = folder / LOG_NAME
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{now.isoformat()} {one_line(error)}",
        *(f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames),
    ]
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(file, "a", encoding="utf-8") as log:
            log.write("\n".join(lines) + "\n")
    except OSError:
        return None
    return path
