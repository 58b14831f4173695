"""Keeps a lease while its holder works, also during a call or a download that takes long."""

from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from types import TracebackType
from typing import Self

from core.batches.engine_context import Context
from state.batches import leases
from state.db.ledger import Fence
from state.db.opening import open_ledger
from state.model.errors import LedgerError

_BEAT_S = 240.0
# The lease of a holder that hangs ends this long after its last sign, and its own length.
_MOST_BUSY_S = 3600.0


class LeaseKeeper:
    """Renews a lease from a thread of its own, over a connection of its own, every four minutes.

    A process that is suspended renews nothing. One that hangs ends to renew an hour after its last
    sign of life.
    """

    def __init__(self, context: Context, fence: Fence, lasts: timedelta) -> None:
        """`lasts`: how long the lease is valid after each renewal."""
        self._context = context
        self._fence = fence
        self._lasts = lasts
        self._is_done = Event()
        self._last_sign = context.clock.monotonic()
        self._thread = Thread(target=self._beat, name="titan-lease", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; a renewal that waits for the database is not waited for."""
        self._is_done.set()
        self._thread.join(timeout=0.5)

    def check(self) -> None:
        """A sign of life on the holder's thread. Raises LeaseLost where another holder has it."""
        self._last_sign = self._context.clock.monotonic()
        leases.check(self._context.ledger, self._fence)

    def renew(self) -> None:
        """A sign of life, and a renewal, on the holder's thread. Raises LeaseLost."""
        self._last_sign = self._context.clock.monotonic()
        leases.renew(
            self._context.ledger, self._fence, until=self._context.clock.now() + self._lasts
        )

    def _beat(self) -> None:
        clock = self._context.clock
        while not self._is_done.wait(_BEAT_S):
            if clock.monotonic() - self._last_sign > _MOST_BUSY_S:
                return
            with (
                suppress(LedgerError),
                open_ledger(
                    self._context.folder,
                    now=clock.now,
                    actor=self._context.ledger.actor,
                    monotonic=clock.monotonic,
                ) as ledger,
            ):
                leases.renew(ledger, self._fence, until=clock.now() + self._lasts)
