"""The console's side of the poll helper: starts the process, and runs polls through it."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

from msgspec import Struct

from core.config.settings import Settings, child_environment
from state.files import windows_calls
from titan_console.text import format as fmt

# The exit codes of a poll that ran through, with problems or without.
_RAN_THROUGH = 1
_PREFIX = "titan-console: "
# Of its summary, what its result names.
_COUNTS = ("open", "sent", "collected", "results", "failed", "canceled")
_HELPER_ENDED = (
    "The poll helper process has ended; restart the console, or run `titan-console --poll`."
)
# An idle helper ends as soon as its stdin is closed; one that runs a poll is left to finish it.
_CLOSE_TIMEOUT_S = 0.3


class PollResult(Struct, frozen=True, kw_only=True):
    """How a poll ended. `ran` is false where another was running; `problems` are its errors.

    `done` says what it did, such as `2 sent, 1 collected`; empty where there was nothing to do.
    """

    code: int
    ran: bool = True
    done: str = ""
    problems: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it ended early, for example without an API key."""
        return self.code > _RAN_THROUGH


class PollRunner(Protocol):
    """Runs polls: the helper process, or an engine in tests."""

    def start(self, done: Callable[[PollResult], object]) -> None:
        """Start a poll; `done` is called on another thread when it has ended."""
        ...


class PollHelper:
    """The process of `poll_helper_main`. Start it before the key leaves the environment."""

    def __init__(self, settings: Settings) -> None:
        """Start it under these settings, in a session of its own."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "titan_console.session.poll_helper_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Unbuffered: a thread that waits here must not hold a lock when the console ends.
            bufsize=0,
            env=child_environment(settings),
            **windows_calls.detached(),
        )
        self.pid = self._process.pid

    def start(self, done: Callable[[PollResult], object]) -> None:
        """Start a poll; `done` is called on another thread when it has ended."""
        threading.Thread(target=lambda: done(self._poll()), name="titan-poll", daemon=True).start()

    def close(self) -> None:
        """Close its stdin, so that it ends."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_CLOSE_TIMEOUT_S)
            if process.stdout is not None:
                process.stdout.close()

    def _poll(self) -> PollResult:
        process = self._process
        if process.stdin is None or process.stdout is None:
            return PollResult(code=1, problems=(_HELPER_ENDED,))
        try:
            process.stdin.write(b"poll\n")
            answer = process.stdout.readline()
        except (OSError, ValueError):
            answer = b""
        return parse_result(answer)


def parse_result(line: bytes) -> PollResult:
    """The result in the helper's line; an unreadable line means that the helper has ended."""
    try:
        answer: dict[str, Any] = json.loads(line)
        code, out, err = int(answer["code"]), str(answer["out"]), str(answer["err"])
    except (ValueError, KeyError, TypeError):
        return PollResult(code=1, problems=(_HELPER_ENDED,))
    try:
        summary: dict[str, Any] = json.loads(out)
    except ValueError:
        reason = _error_message(err) or f"The poll ended with exit code {code} and no output."
        return PollResult(code=code, problems=(reason,) if code else ())
    problems = cast("list[str]", summary.get("problems", []))
    shown = cast("dict[str, int]", fmt.poll_counts(summary))
    counts = (fmt.poll_count(shown[name], name) for name in _COUNTS if shown.get(name))
    return PollResult(
        code=code,
        ran=bool(summary.get("ran", True)),
        done=", ".join(counts),
        problems=tuple(dict.fromkeys(problems)),
    )


def _error_message(err: str) -> str:
    """The error with which a poll ended; with `--json` it is an object on stderr."""
    lines = [line for line in err.splitlines() if line.strip()]
    if not lines:
        return ""
    try:
        return str(json.loads(lines[-1])["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return lines[-1].removeprefix(_PREFIX)
