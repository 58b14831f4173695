"""A thread pool whose threads do not keep the process alive: a hanging call must not block exit."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class DaemonPool(Generic[Item, Result]):
    """Runs `work` on each item; `done` gets its result or its exception."""

    def __init__(self, work: Callable[[Item], Result], *, size: int, name: str) -> None:
        """Threads start when they are needed, at most `size` of them."""
        self.done: SimpleQueue[Result | BaseException] = SimpleQueue()
        self._work = work
        self._size = size
        self._name = name
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._threads = 0

    def submit(self, item: Item, *, running: int) -> None:
        """Queue the item; `running` counts the items without a result, this one included."""
        self._items.put(item)
        if self._threads < min(running, self._size):
            self._threads += 1
            Thread(target=self._run, name=self._name, daemon=True).start()

    def close(self) -> None:
        """End each thread after the items that are queued before."""
        for _ in range(self._threads):
            self._items.put(None)

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            try:
                self.done.put(self._work(item))
            except BaseException as error:  # noqa: BLE001 - raised by the reader of `done`
                self.done.put(error)
