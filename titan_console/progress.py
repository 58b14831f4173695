"""A progress bar on stderr for work that takes a while, when somebody is there to see it."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import click

from titan_console.diagnostics import is_watched

Progress = Callable[[str, int, int], None]


class _Bars:
    """One bar at a time: another kind of work, or a new round of it, begins another."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""
        self._done = 0

    def __call__(self, what: str, done: int, of: int) -> None:
        if what != self._what or done < self._done:
            self.close()
            self._bar = click.progressbar(  # pyright: ignore[reportUnknownMemberType]
                length=of or None, label=f"{what:<10}", file=sys.stderr
            )
            self._bar.render_progress()
            self._what, self._done = what, 0
        self._bar.update(done - self._done)
        self._done = done

    def close(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None
        self._what, self._done = "", 0


@contextmanager
def shown() -> Generator[Progress, None, None]:
    """What to hand to the engine as `progress`."""
    if not is_watched():
        yield lambda _what, _done, _of: None
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()
