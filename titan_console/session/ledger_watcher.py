"""Watches the ledger while other processes write it, and posts each change."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from textual.message import Message
from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType] - it knows trio too

from core.clock import OffsetClock
from state.db import liveness_lock
from state.db.opening import commit_listener, ledger_name
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.timestamps import from_text
from state.queries import console_snapshot
from state.queries.console_snapshot import Snapshot
from titan_console.session import reasons
from titan_console.session.messages import LedgerChanged, LedgerLost, LedgerProblem
from titan_console.session.query_worker import ReopeningReader

# No transaction is open that long: an older event was written under another clock.
_OTHER_CLOCK = timedelta(minutes=1)
# At most ten snapshots a second; changes in between are in the next one.
_MIN_GAP_S = 0.1
# For file systems without change events, and for missed events.
_POLL_S = 0.5
# The event arrives before the commit is visible: read again a little later.
_RECHECKS_S = (0.0, 0.008, 0.020, 0.050, 0.120)
_STEP_MS, _DEBOUNCE_MS = 10, 50
# A server that has not replied for so long is shown as lost; a statement may wait for minutes.
_SILENT_S = 4.0
# So often the clock is compared with that of the server.
_COMPARE_S = 60.0


class SnapshotReader:
    """Reads snapshots through one open reader. Use it on one thread."""

    def __init__(self, folder: Folder, clock: OffsetClock) -> None:
        """Nothing is opened before the first read. The clock then follows that of a server."""
        # Of the folder on the disk, which may be replaced.
        self.identity: tuple[int, int] | None = None
        self.is_failing = False
        self._folder = folder
        self._name = ledger_name(folder)
        self._clock = clock
        self._kept = ReopeningReader(folder)
        self._version: tuple[object, int, bool | None] | None = None
        self._newest: int | None = None
        self._taken_at: datetime | None = None
        self._posted: LedgerProblem | None = None
        # When the clock was compared, in seconds of the machine.
        self._compared_s: float | None = None

    def read(self, *, force: bool = False) -> LedgerChanged | LedgerLost | None:
        """The message to post; None when nothing has changed since the last read."""
        self.identity = _identity(self._folder.root)
        try:
            reader = self._kept.get()
            self._compare_clock(reader)
            # A poll that is killed changes only its lock.
            polls = liveness_lock.is_free(self._folder.poll_lock)
            version = (self._kept.file, reader.data_version(), polls)
            if version == self._version and not force:
                return None
            snapshot = console_snapshot.take(reader, self._clock.now(), reasons.of)
        except FileNotFoundError:
            return self._lost(LedgerProblem(f"No ledger at {self._name}.", missing=True))
        except LedgerError as error:
            return self._lost(LedgerProblem(str(error), code=error.code))
        except OSError as error:
            return self._lost(LedgerProblem(str(error)))
        except (ValueError, LookupError):
            return self._lost(
                LedgerProblem(f"The ledger {self._name} cannot be read by this version.")
            )
        self._version, self._posted, self.is_failing = version, None, False
        return LedgerChanged(snapshot, self._lag(snapshot))

    def _compare_clock(self, reader: Reader) -> None:
        elapsed_s = self._clock.monotonic()
        if self._compared_s is None or elapsed_s - self._compared_s >= _COMPARE_S:
            self._clock.follow(reader.server_now)
            self._compared_s = elapsed_s

    def interrupt(self) -> None:
        """Interrupt the running query, from another thread."""
        self._kept.interrupt()

    def close(self) -> None:
        """Close the ledger."""
        self._kept.close()
        self._version = self._compared_s = None

    def _lost(self, problem: LedgerProblem) -> LedgerLost | None:
        self.close()
        self.is_failing = True
        if problem == self._posted:
            return None
        self._posted = problem
        return LedgerLost(problem)

    def _lag(self, snapshot: Snapshot) -> timedelta | None:
        """The age of the newest event, if it is new since the last read.

        None where its timestamp is far older than that read, as in the demo's history.
        """
        before, self._newest = self._newest, snapshot.newest_event_id
        previous, self._taken_at = self._taken_at, snapshot.taken_at
        if before in (None, self._newest) or previous is None or snapshot.newest_event_ts is None:
            return None
        written = from_text(snapshot.newest_event_ts)
        if written < previous - _OTHER_CLOCK:
            return None
        return max(timedelta(0), snapshot.taken_at - written)


class LedgerWatcher:
    """Reads a snapshot whenever the files of the ledger change, or its server says so."""

    def __init__(self, folder: Folder, clock: OffsetClock) -> None:
        """`folder` may not exist yet, nor its ledger."""
        self.folder = folder
        self.last_read_at: datetime | None = None
        self._clock = clock
        self._reader = SnapshotReader(folder, clock)
        self._wake = asyncio.Event()
        self._stop_watching = asyncio.Event()
        self._watched: tuple[int, int] | None = None
        self._forced = False

    def refresh(self) -> None:
        """Read the ledger again now, changed or not."""
        self._forced = True
        self._wake.set()

    async def follow(self, post: Callable[[Message], object]) -> None:
        """Post a message for each change, until cancelled."""
        async with self._one_thread() as thread, self._watching():
            while True:
                forced, self._forced = self._forced, False
                message = await self._read(thread, post, force=forced)
                self.last_read_at = self._clock.now()
                if message is not None:
                    post(message)
                if self._reader.identity != self._watched:
                    self._stop_watching.set()
                await self._rest(just_posted=message is not None)

    async def _read(
        self, thread: ThreadPoolExecutor, post: Callable[[Message], object], *, force: bool
    ) -> Message | None:
        """What the reader found, on its thread; a server that hangs is lost until it replies."""
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(thread, lambda: self._reader.read(force=force))
        if self.folder.ledger_url is None:
            return await reading
        done, _ = await asyncio.wait({reading}, timeout=_SILENT_S)
        if done:
            return await reading
        reason = f"No reply from the server of {ledger_name(self.folder)} for {_SILENT_S:.0f} s."
        post(LedgerLost(LedgerProblem(reason, code="ledger_unreachable")))
        found = await reading
        # Unchanged or not: the last one that was shown is lost.
        return found or await loop.run_in_executor(thread, lambda: self._reader.read(force=True))

    async def _rest(self, *, just_posted: bool) -> None:
        """Wait for the next change or the next interval."""
        if self._reader.is_failing:
            # A failed open touches the files of the ledger: that is no change.
            await asyncio.sleep(_POLL_S)
        elif just_posted:
            await asyncio.sleep(_MIN_GAP_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()
        self._wake.clear()

    @asynccontextmanager
    async def _one_thread(self) -> AsyncGenerator[ThreadPoolExecutor]:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="titan-watcher")
        try:
            yield thread
        finally:
            self._reader.interrupt()
            thread.submit(self._reader.close)
            thread.shutdown(wait=False)

    @asynccontextmanager
    async def _watching(self) -> AsyncGenerator[None]:
        watcher = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._stop_watching.set()
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _watch(self) -> None:
        """Wake the reader at each write; restart when the folder is replaced."""
        if self.folder.ledger_url is not None:
            await self._listen()
            return
        name, root = self.folder.ledger.name, self.folder.root
        names = {name, f"{name}-wal"}
        loop = asyncio.get_running_loop()
        while True:
            self._stop_watching.clear()
            self._watched = await asyncio.to_thread(_identity, root)
            with suppress(OSError, RuntimeError):
                async for _ in awatch(
                    root,
                    step=_STEP_MS,
                    debounce=_DEBOUNCE_MS,
                    recursive=False,
                    stop_event=self._stop_watching,
                    watch_filter=lambda _, path: Path(path).name in names,
                ):
                    for delay in _RECHECKS_S:
                        loop.call_later(delay, self._wake.set)
            await asyncio.sleep(_POLL_S)

    async def _listen(self) -> None:
        """Wake the reader at each commit of any host, until cancelled."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            # The console may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake.set)

        listener = commit_listener(self.folder, wake)
        try:
            await asyncio.Event().wait()
        finally:
            if listener is not None:
                listener.stop()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
