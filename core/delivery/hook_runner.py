"""The poll's side of the process that runs a delivery hook (`hook_runner_main`)."""

import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from core.delivery import run_command
from core.redaction import redact
from state.files import windows_calls
from state.files.hook_log import HookSuccess

# Beyond the timeout of the hook itself.
_MARGIN_S = 60.0
_STOP_S = 10.0
_NO_ANSWER = "the hook runner process ended without reporting an exit code"


class HookOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, with which lock, and what to record where it succeeds."""

    root: str
    lock: str
    words: list[str]
    timeout_s: float
    success: HookSuccess


class LockAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the lock was free; None where nothing is known."""

    is_free: bool | None


class HookEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the hook ended, as in `CommandEnd`, and why its success could not be recorded."""

    exit_code: int | None
    problem: str | None
    log_problem: str | None = None


class HookRunner:
    """A process that has the lock, or found it held, and has not started the hook yet."""

    def __init__(self, process: "subprocess.Popen[bytes]", order: HookOrder) -> None:
        """Hand over the order and read the answer about the lock."""
        self._process = process
        self.is_free: bool | None = None
        self._has_answered = False
        line = self._ask(msgspec.json.encode(order) + b"\n")
        with suppress(msgspec.MsgspecError):
            self.is_free = msgspec.json.decode(line, type=LockAnswer).is_free
            self._has_answered = True

    def run(self) -> HookEnd:
        """Start the hook and wait for its end."""
        line = self._ask(b"start\n") if self._has_answered else b""
        try:
            ended = msgspec.json.decode(line, type=HookEnd)
        except msgspec.MsgspecError:
            return HookEnd(exit_code=None, problem=_NO_ANSWER)
        problem = redact(ended.problem) if ended.problem else None
        return msgspec.structs.replace(ended, problem=problem)

    def _ask(self, line: bytes) -> bytes:
        process = self._process
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101 - a pipe
        with suppress(OSError):
            process.stdin.write(line)
            return process.stdout.readline()
        return b""


@contextmanager
def opened(order: HookOrder, environment: Mapping[str, str]) -> Generator[HookRunner, None, None]:
    """A runner for the block; on an exception, such as Ctrl-C, its hook is stopped too."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "core.delivery.hook_runner_main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd=Path(order.root),
        env=environment,
        **windows_calls.detached(),
    )
    # It ends the hook at its timeout; this ends one that does not.
    late = threading.Timer(order.timeout_s + _MARGIN_S, _stop, [process])
    late.daemon = True
    late.start()
    try:
        with process:
            try:
                yield HookRunner(process, order)
            except BaseException:
                _stop(process)
                raise
    finally:
        late.cancel()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End it and its hook."""
    if windows_calls.is_windows():
        run_command.stop_tree(process)
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    process.kill()
