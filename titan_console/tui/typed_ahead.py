"""Keeps the keys that are typed before the dialog or the line that they are meant for is open."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from textual.app import App
from textual.events import Key
from textual.screen import ModalScreen, Screen
from textual.widgets import Input
from textual.worker import Worker, WorkerError

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


class TypedAhead:
    """Lives on the drawing thread; a key that it keeps is typed again once there is a place."""

    def __init__(self, app: App[None]) -> None:
        """Nothing is kept."""
        self._app = app
        self._kept: list[Key] = []
        # Where each key was typed that has not come back from the widgets.
        self._typed_in: WeakKeyDictionary[Key, MessagePump] = WeakKeyDictionary()
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
            self._app.call_later(self._type_again)

    async def opened(self, dialog: Screen[Any]) -> None:
        """A dialog is drawn, and its first field has the focus."""
        if self._app.screen is dialog:
            self._asked_on, self._drawn = None, dialog
            if self._waiter is not None:
                self._waiter.cancel()
                self._waiter = None
            await self._type_again()

    async def takes(self, key: Key) -> bool:
        """Whether the app must not handle this key: it is kept, or was typed again elsewhere."""
        target = self._app.focused or self._app.screen
        typed_in = self._typed_in.pop(key, None)
        if self._is_opening():
            self._kept.append(key)
            return True
        if not key.is_forwarded:
            self._typed_in[key] = target
        elif typed_in not in (None, target) and isinstance(target, Input | ModalScreen):
            # It came back unhandled from where it was typed, and something has been opened since.
            await self._type(key)
            return True
        return False

    def _is_opening(self) -> bool:
        screen = self._app.screen
        return screen is self._asked_on or (
            isinstance(screen, ModalScreen) and screen is not self._drawn
        )

    async def _type_again(self) -> None:
        kept, self._kept = self._kept, []
        for key in kept:
            await self._type(key)

    async def _type(self, key: Key) -> None:
        await self._app.on_event(Key(key.key, key.character))
