"""A progress bar on stderr, if stderr is a terminal."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from titan_console.cli.output import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]


@contextmanager
def shown() -> Generator[Progress, None, None]:
    """The `progress` callback of the engine: kind of work, number done, total (0 if unknown).

    The bars disappear when the work is done.
    """
    if not is_terminal(sys.stderr):
        yield lambda _what, _done, _of: None
        return
    with _bars() as bars:
        yield _Reporter(bars)


class _Reporter:
    """One bar per kind of work."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=None)
        self._bars.update(self._tasks[what], completed=done, total=of or None)


def _bars() -> "Bars":
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415 - as above

    return Bars(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
