"""Runs one delivery hook and holds its lock: `python -m core.delivery.hook_runner_main`.

A process of its own, because it must outlive a poll that is killed: the next poll sees by the lock
that the hook still runs, the timeout still ends it, and its success is recorded.

stdin: an order, then any line to start; the end of the input instead starts nothing. stdout: the
answer about the lock, then how the hook ended.
"""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from core.config.settings import command_environment, from_environment
from core.delivery import run_command
from core.delivery.hook_runner import HookEnd, HookOrder, LockAnswer
from core.errors import SettingsError
from state.db import liveness_lock
from state.files import hook_log
from state.files.folder import Folder, make_private
from state.files.system_errors import cause
from state.model.errors import TitanError


def main() -> None:
    """Answer about the lock, wait for the start, and run."""
    signal.signal(signal.SIGTERM, _end)
    with suppress(SettingsError):
        # So that the key is removed from what the hook prints.
        from_environment()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=HookOrder)
    lock = Path(order.lock)
    with suppress(OSError, TitanError):
        make_private(lock.parent)
    with liveness_lock.try_lock(lock) as is_free:
        _say(LockAnswer(is_free=is_free))
        if is_free is not False and sys.stdin.buffer.readline():
            _say(_run(order))


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the hook too: `run_command` stops it when it gets an exception."""
    raise SystemExit(1)


def _run(order: HookOrder) -> HookEnd:
    root = Path(order.root)
    ended = run_command.run(
        order.words,
        folder=root,
        environment=command_environment(root),
        timeout_s=order.timeout_s,
    )
    log_problem = None if ended.problem else _log(Folder(root), order)
    return HookEnd(exit_code=ended.exit_code, problem=ended.problem, log_problem=log_problem)


def _log(folder: Folder, order: HookOrder) -> str | None:
    """Record the success beside the ledger, before the lock is released; why that failed."""
    path = folder.hook_log
    try:
        hook_log.append(folder, order.success)
    except OSError as error:
        return (
            f"Cannot write {path}: {cause(error, path).text}. After a restore the hook runs again."
        )
    return None


def _say(answer: LockAnswer | HookEnd) -> None:
    """Write a line; a poll that was killed does not read it."""
    with suppress(OSError):
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
