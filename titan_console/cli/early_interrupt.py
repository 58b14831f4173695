"""Ctrl-C while modules are imported: nothing has begun, so the process ends at once."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager

_STDERR, _STOPPED = 2, 130


@contextmanager
def exit_on_interrupt() -> Generator[None, None, None]:
    """End the process on Ctrl-C in the block, without the traceback of an import.

    An exception could be raised anywhere in a module, and some places replace it by another one.
    Nothing changes where SIGINT is ignored, as in a background job of a shell script, where a
    handler is set, and on other threads than the main one.
    """
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if is_default:
            signal.signal(signal.SIGINT, _exit)
    except ValueError:  # another thread
        is_default = False
    try:
        yield
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(_signal: int, _frame: object) -> None:
    try:
        os.write(_STDERR, b"titan-console: Stopped.\n")
    finally:
        os._exit(_STOPPED)
