"""Runs one program of the user's, without a shell and within a time."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

_TAIL_BYTES = 4096
_TAIL_LINES = 3
_TAIL_LENGTH = 300
_KEY = re.compile(r"sk-ant-\S+")


class ProgramEnd(Struct, frozen=True):
    """How a program ended: no exit code where it was never started, or stopped by us."""

    exit_code: int | None
    trouble: str | None


def run(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float
) -> ProgramEnd:
    """Run it to its end, or stop it, with what it has started, when its time is over."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own list of arguments, no shell
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return ProgramEnd(None, f"{command[0]} cannot be started: {reason}")
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _stop(process)
            return ProgramEnd(None, f"stopped after {timeout_s:.0f} s{_last_words(said)}")
        except BaseException:
            _stop(process)
            raise
        if code == 0:
            return ProgramEnd(0, None)
        how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        return ProgramEnd(code, f"{how}{_last_words(said)}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """With its children, where the system has process groups."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(said: IO[bytes]) -> str:
    """The last lines of its stderr in one, without what a terminal obeys and without a key."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL_BYTES))
    lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    plain = " / ".join(
        "".join(c if c.isprintable() else " " for c in line).strip()
        for line in lines[-_TAIL_LINES:]
    )
    hidden = _KEY.sub("sk-ant-***", plain)
    return f": {hidden[-_TAIL_LENGTH:]}" if hidden else ""
