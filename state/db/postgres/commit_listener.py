"""Waits for commits of any host: each write transaction sends a notification with its commit."""

from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread

from state.db.postgres.connection import connect, driver
from state.db.postgres.schema import CHANNEL
from state.model.errors import LedgerError

# So soon it ends after `stop`.
_WAIT_S = 0.5
_RECONNECT_S = 5.0


class CommitListener:
    """Calls back at each commit, on a thread of its own, until it is stopped.

    A lost connection is opened again; until then, and behind a pooler that passes on no
    notification, nothing is called. So whoever listens asks the ledger now and then, too.
    """

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        """`wake` must return soon."""
        self._url = url
        self._wake = wake
        self._stopped = Event()
        # A network that hangs does not keep the process from ending.
        self._thread = Thread(target=self._run, name="titan-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread within half a second, without waiting for it."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except (LedgerError, driver().Error):
                self._stopped.wait(_RECONNECT_S)

    def _listen(self) -> None:
        with closing(connect(self._url)) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            # Something may have been committed before.
            self._wake()
            while not self._stopped.is_set():
                for _ in connection.notifies(timeout=_WAIT_S, stop_after=1):
                    self._wake()
