"""Handles the keys one after the other, each where the one before it leads.

Textual inserts a character in the widget with the focus, but runs the action of a key once the key
has gone up from there to the app, and one with priority before any widget sees the key. In a
burst, later keys would overtake earlier ones. So the next key is handled only once the one before
it has gone all the way; and once the dialog that it opens is drawn.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.events import Event, Key, Paste
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerError

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


class TypedAhead:
    """Lives on the drawing thread; keeps the keys whose turn has not come."""

    def __init__(self, app: App[None], handle: Callable[[Event], Awaitable[None]]) -> None:
        """Nothing is kept; `handle` is what the app does with a key whose turn has come."""
        self._app = app
        self._handle = handle
        self._kept = deque[Key | Paste]()
        # Who has yet to handle the last key; None once all have.
        self._last_is_at: MessagePump | None = None
        # The page on which a tool reads something before it opens its dialog.
        self._asked_on: Screen[Any] | None = None
        self._waiter: Worker[None] | None = None
        self._drawn: Screen[Any] | None = None

    def wait_for(self, workers: Collection[Worker[Any]]) -> None:
        """The keys typed until these open a dialog, or end without one, are kept."""
        if workers:
            self._asked_on = self._app.screen
            self._waiter = self._app.run_worker(self._until_done(workers), name="typed ahead")

    async def _until_done(self, workers: Collection[Worker[Any]]) -> None:
        for worker in workers:
            with suppress(WorkerError):
                # Whoever cancels this wait must not cancel the tool.
                await asyncio.shield(worker.wait())
        if self._asked_on is not None:
            self._asked_on = None
            self._app.call_later(self._handle_next)

    async def opened(self, dialog: Screen[Any]) -> None:
        """A dialog is drawn, and its first field has the focus."""
        if self._app.screen is dialog:
            self._asked_on, self._drawn = None, dialog
            if self._waiter is not None:
                self._waiter.cancel()
                self._waiter = None
            await self._handle_next()

    async def typed(self, event: Key | Paste) -> None:
        """Handle a key or pasted text, now or when its turn comes."""
        if not event.is_forwarded:
            self._kept.append(event)
            await self._handle_next()
        elif isinstance(event, Key) and self._is_opening():
            # It came back unhandled from where it was typed, and a dialog has been opened since.
            self._kept.appendleft(Key(event.key, event.character))
        else:
            await self._handle(event)

    async def _handle_next(self) -> None:
        if not self._kept or self._is_on_its_way() or self._is_opening():
            return
        event = self._kept.popleft()
        self._last_is_at = self._app
        await self._handle(event)
        way: list[MessagePump] = [self._app]
        if event.is_forwarded:
            way = [*(self._app.focused or self._app.screen).ancestors_with_self]
        # Once more, for what the app itself put off: to set the focus, for example.
        await self._follow([*way, self._app])

    async def _follow(self, way: Sequence["MessagePump"]) -> None:
        """Go the way of the last key behind it: queues keep their order."""
        for number, pump in enumerate(way, 1):
            # Not where that is closed: nothing more is handled there.
            if pump.call_later(self._follow, way[number:]):
                self._last_is_at = pump
                return
        self._last_is_at = None
        await self._handle_next()

    def _is_on_its_way(self) -> bool:
        return self._last_is_at is not None and self._last_is_at.is_running

    def _is_opening(self) -> bool:
        screen = self._app.screen
        return screen is self._asked_on or (
            isinstance(screen, ModalScreen) and screen is not self._drawn
        )
