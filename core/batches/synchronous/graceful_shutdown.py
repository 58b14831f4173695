"""Ctrl-C and SIGTERM: finish calls that are paid for before the process ends."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# A handler of the caller's own is left in place.
_DEFAULT_HANDLERS = (signal.default_int_handler, signal.SIG_DFL)


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Inside, the first Ctrl-C or SIGTERM calls `stop`, and takes effect when the block ends.

    A second one takes effect at once. Other threads than the main one receive no signals.
    """
    if current_thread() is not main_thread():
        yield
        return
    handler = _DeferredSignal(stop)
    try:
        yield
    finally:
        handler.restore()
        if handler.received is not None:
            signal.raise_signal(handler.received)


class _DeferredSignal:
    """Handles the first signal only."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.received: int | None = None
        self._stop = stop
        self._before = {n: h for n in _SIGNALS if (h := signal.getsignal(n)) in _DEFAULT_HANDLERS}
        for number in self._before:
            signal.signal(number, self._handle)

    def restore(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        self.restore()
        self._stop()
