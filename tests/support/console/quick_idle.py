"""Lets a pilot wait until the console has nothing to do.

Textual's own wait sleeps for 20 ms at a time, twice for each key, until the process uses little
processor time: on a busy machine that is up to a second, and a console that starves looks idle.
"""

import asyncio
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from concurrent.futures import Executor
from time import monotonic
from typing import Any

import textual.app
import textual.pilot
from textual._context import active_app

_ROUNDS = 5
_BETWEEN_ROUNDS_S = 0.002
_run_in_executor = BaseEventLoop.run_in_executor
_queries = set[asyncio.Future[Any]]()


def _counted(
    self: BaseEventLoop, executor: Executor | None, func: Callable[..., object], *args: object
) -> asyncio.Future[Any]:
    query = _run_in_executor(self, executor, func, *args)
    _queries.add(query)
    query.add_done_callback(_queries.discard)
    return query


async def _wait_for_idle(min_sleep: float = 0.02, max_sleep: float = 1.0) -> None:
    """Return when no message, callback or query of a thread is left, or after `max_sleep` s."""
    loop = asyncio.get_running_loop()
    end = monotonic() + max_sleep
    await asyncio.sleep(min_sleep)
    quiet = 0
    while quiet < _ROUNDS and monotonic() < end:
        await asyncio.sleep(_BETWEEN_ROUNDS_S)
        if _queries or loop._ready:  # pyright: ignore[reportAttributeAccessIssue]
            quiet = 0
        else:
            quiet += 1
            active_app.get().screen._on_timer_update()


def use() -> None:
    """Wait in this way in all pilots of this process."""
    BaseEventLoop.run_in_executor = _counted
    textual.app.wait_for_idle = _wait_for_idle  # pyright: ignore[reportPrivateImportUsage]
    textual.pilot.wait_for_idle = _wait_for_idle  # pyright: ignore[reportPrivateImportUsage]
