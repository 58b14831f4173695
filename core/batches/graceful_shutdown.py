"""Lets work that is paid for come to its end when its process is told to stop."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Whoever has a handler of their own knows what to do.
_USUAL = (signal.default_int_handler, signal.SIG_DFL)


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Generator[None, None, None]:
    """While inside, the first Ctrl-C or SIGTERM calls `stop`; it takes effect at the end.

    A second one takes effect at once. Signals come to the main thread only.
    """
    if current_thread() is not main_thread():
        yield
        return
    orderly = _Orderly(stop)
    try:
        yield
    finally:
        orderly.restore()
        if orderly.came is not None:
            signal.raise_signal(orderly.came)


class _Orderly:
    """Takes the first signal, and no other."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.came: int | None = None
        self._stop = stop
        self._before = {n: h for n in _SIGNALS if (h := signal.getsignal(n)) in _USUAL}
        for number in self._before:
            signal.signal(number, self._take)

    def restore(self) -> None:
        """As it was before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.came = number
        self.restore()
        self._stop()
