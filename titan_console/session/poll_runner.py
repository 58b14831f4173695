"""Engine polls from the console: a helper process makes them, and holds the key."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

from msgspec import Struct

from core.config.settings import Settings, child_environment

_PREFIX = "titan-console: "
_GONE = (
    "The process that makes polls for this console is gone: open the console anew, or run"
    " `titan-console --poll`."
)
# An idle helper ends at once when its input does; one that is at a poll is left to finish it.
_GOODBYE_S = 0.3


class PollResult(Struct, frozen=True, kw_only=True):
    """How a poll ended; `ran` is false where another one was at it. `problems` need a person."""

    code: int
    ran: bool = True
    problems: tuple[str, ...] = ()


class PollRunner(Protocol):
    """Whoever makes a poll when asked."""

    def ask(self, done: Callable[[PollResult], object]) -> None:
        """Begin a poll; `done` is called on another thread when it has ended."""
        ...


class PollHelper:
    """The helper process. Start it before the key is forgotten."""

    def __init__(self, settings: Settings) -> None:
        """Start it under these settings, away from the terminal and its signals."""
        is_windows = sys.platform == "win32"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "titan_console.session.poll_helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Unbuffered: a thread that waits here must not hold a lock when the console ends.
            bufsize=0,
            env=child_environment(settings),
            start_new_session=not is_windows,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) if is_windows else 0,
        )
        self.pid = self._process.pid

    def ask(self, done: Callable[[PollResult], object]) -> None:
        """Begin a poll; `done` is called on another thread when it has ended."""
        threading.Thread(target=lambda: done(self._make()), name="titan-pass", daemon=True).start()

    def close(self) -> None:
        """Let it end."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE_S)
            if process.stdout is not None:
                process.stdout.close()

    def _make(self) -> PollResult:
        process = self._process
        if process.stdin is None or process.stdout is None:
            return PollResult(code=1, problems=(_GONE,))
        try:
            process.stdin.write(b"poll\n")
            answer = process.stdout.readline()
        except (OSError, ValueError):
            answer = b""
        return parse_result(answer)


def parse_result(line: bytes) -> PollResult:
    """What the helper says of a poll."""
    try:
        answer: dict[str, Any] = json.loads(line)
        code, out, err = int(answer["code"]), str(answer["out"]), str(answer["err"])
    except (ValueError, KeyError, TypeError):
        return PollResult(code=1, problems=(_GONE,))
    try:
        summary: dict[str, Any] = json.loads(out)
    except ValueError:
        reason = _error_message(err) or f"The poll ended with exit code {code} and no output."
        return PollResult(code=code, problems=(reason,) if code else ())
    problems = cast("list[str]", summary.get("problems", []))
    return PollResult(
        code=code, ran=bool(summary.get("ran", True)), problems=tuple(dict.fromkeys(problems))
    )


def _error_message(err: str) -> str:
    """The message of the error with which a poll ended: with `--json` an object on stderr."""
    lines = [line for line in err.splitlines() if line.strip()]
    if not lines:
        return ""
    try:
        return str(json.loads(lines[-1])["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return lines[-1].removeprefix(_PREFIX)
