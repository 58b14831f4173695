"""Prints what a thread writes, as it comes, without letting the thread wait for who reads it."""

from codecs import getincrementaldecoder
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from tempfile import TemporaryFile
from threading import Event, Lock
from typing import IO, TypeVar

from titan_console.cli.output import Output

_Result = TypeVar("_Result")
_PIECE = 1 << 20
# Between two looks at what was written, in seconds.
_PAUSE_S = 0.05


class Unread:
    """Text that is not printed yet, in a file: a slow reader costs no memory."""

    def __init__(self, file: IO[bytes]) -> None:
        """Empty, as the file is."""
        self._file = file
        self._lock = Lock()
        self._decoder = getincrementaldecoder("utf-8")()
        self._written = self._printed = 0

    def write(self, text: str) -> int:
        """Add the text; half of a surrogate pair becomes a question mark."""
        data = text.encode("utf-8", "replace")
        with self._lock:
            self._file.seek(self._written)
            self._written += self._file.write(data)
        return len(text)

    def print_to(self, output: Output) -> None:
        """Print all that is there."""
        while text := self._next():
            output.write(text)
        output.flush()

    def _next(self) -> str:
        with self._lock:
            self._file.seek(self._printed)
            data = self._file.read(_PIECE)
            self._printed += len(data)
            if self._printed == self._written:
                self._file.truncate(0)
                self._written = self._printed = 0
        return self._decoder.decode(data)


def print_while(
    produce: Callable[[Unread, Callable[[], bool]], _Result], output: Output
) -> _Result:
    """Print what `produce` writes on a thread; its result.

    Its second argument tells whether to stop: after Ctrl-C, or once the output takes no more.
    Raises what it raises, after its output.
    """
    stopped = Event()
    with TemporaryFile() as file, ThreadPoolExecutor(1) as pool:
        unread = Unread(file)
        try:
            result = pool.submit(produce, unread, stopped.is_set)
            while wait([result], _PAUSE_S).not_done:
                unread.print_to(output)
            unread.print_to(output)
        finally:
            stopped.set()
    return result.result()
