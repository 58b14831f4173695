"""Runs a command of the user without a shell and with a timeout."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from msgspec import Struct

from core.redaction import redact
from core.text import printable
from state.files import windows_calls

_TAIL_BYTES = 4096
# How often the output is cut, so that a command that floods it does not fill the disk.
_CUT_S = 0.5
_CUT_BYTES = 1 << 20
_TAIL_LINES = 3
_TAIL_LENGTH = 300
_KILL_S = 5.0


class CommandEnd(Struct, frozen=True):
    """How a command ended: no exit code where it did not start, or was killed at its timeout."""

    exit_code: int | None
    problem: str | None


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    stdin: bytes = b"",
) -> CommandEnd:
    """Run the command; at its timeout, kill it and its children.

    It is over when it exits: a child of it that goes on, and holds its output open, is not waited
    for, since input and output are files.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as stderr:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own list of arguments, no shell
                command,
                cwd=folder,
                env=environment,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **windows_calls.detached(),
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return CommandEnd(None, f"cannot start {printable(command[0])}: {reason}")
        try:
            code = _wait(process, timeout_s, stderr)
        except subprocess.TimeoutExpired:
            stop_tree(process)
            return CommandEnd(None, f"killed after {timeout_s:g} s{_stderr_tail(stderr)}")
        except BaseException:
            stop_tree(process)
            raise
        if code == 0:
            return CommandEnd(0, None)
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return CommandEnd(code, f"{how}{_stderr_tail(stderr)}")


def _wait(process: "subprocess.Popen[bytes]", timeout_s: float, stderr: IO[bytes]) -> int:
    """Its exit code. Raises TimeoutExpired."""
    left = timeout_s
    while left > _CUT_S:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_CUT_S)
        left -= _CUT_S
        if os.fstat(stderr.fileno()).st_size > _CUT_BYTES:
            # The command shares the position: it goes on at the beginning.
            stderr.seek(0)
            stderr.truncate()
    return process.wait(left)


def stop_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and its children; one that does not end is left."""
    with suppress(OSError, subprocess.SubprocessError):
        if windows_calls.is_windows():
            tree = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
            subprocess.run(  # noqa: S603 - a program of Windows
                tree, capture_output=True, timeout=_KILL_S, check=False, **windows_calls.detached()
            )
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_S)


def _stderr_tail(stderr: IO[bytes]) -> str:
    """The last lines of stderr as one, without control characters and API keys."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _TAIL_BYTES))
    text = stderr.read().decode("utf-8", "replace")
    if size > _TAIL_BYTES:
        # A key that is cut in two would not be recognized.
        text = "".join(text.split(maxsplit=1)[1:])
    lines = [line for line in text.splitlines() if line.strip()]
    plain = " / ".join(printable(line).strip() for line in lines[-_TAIL_LINES:])
    shown = redact(plain)
    return f": {shown[-_TAIL_LENGTH:]}" if shown else ""
