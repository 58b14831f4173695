"""Runs read queries on a worker thread and keeps their results current."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from state.db.opening import ledger_name, open_reader
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
from state.model.errors import LedgerError
from titan_console.session.memory import trim_memory

Answer = TypeVar("Answer")
# A factory, so that no coroutine is left unawaited when the console ends first.
Work = Callable[[], Coroutine[None, None, None]]
# Wait four times as long as the query took: a slow one uses a fifth of a core.
_REST = 4.0
# A query that takes longer has allocated a lot.
_LARGE_S = 0.2


class Superseded(Exception):
    """A newer query has replaced this one."""


class ReopeningReader:
    """One open reader, reopened when the file is replaced or the connection was closed."""

    def __init__(self, folder: Folder) -> None:
        """Nothing is opened yet."""
        self.folder = folder
        self.file: tuple[int, int] | None = None
        self._reader: Reader | None = None

    def get(self) -> Reader:
        """The reader. Raises FileNotFoundError where there is no ledger, or LedgerError."""
        if self.folder.ledger_url is not None:
            return self._of_server()
        path = self.folder.ledger
        if not ledger_exists(path):
            raise FileNotFoundError(path)
        status = path.stat()
        file = (status.st_dev, status.st_ino)
        if self._reader is None or file != self.file:
            self.close()
            self._reader = self._open()
            self.file = file
        return self._reader

    def _of_server(self) -> Reader:
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def _open(self) -> Reader:
        """A ledger that is just being created is as good as none."""
        try:
            return open_reader(self.folder)
        except LedgerError as error:
            if error.code == "ledger_missing":
                raise FileNotFoundError(ledger_name(self.folder)) from error
            raise

    def interrupt(self) -> None:
        """Interrupt the running query, from another thread."""
        if self._reader is not None:
            self._reader.interrupt()

    def close(self) -> None:
        """Close the ledger."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self.file = None


class QueryWorker:
    """Runs queries one after another on a thread; a newer query interrupts the running one."""

    def __init__(self, folder: Folder) -> None:
        """`folder` is that of the ledger, which may not exist yet."""
        # Called with the seconds that each query took.
        self.note: Callable[[float], None] = lambda _seconds: None
        self._kept = ReopeningReader(folder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="titan-worker")
        self._asked = 0

    async def ask(self, question: Callable[[Source], Answer]) -> Answer:
        """The result, read in one transaction.

        A running query is interrupted. Raises Superseded when that happens to this one,
        LedgerError or OSError where the ledger cannot be read.
        """
        self._asked += 1
        number = self._asked
        self._kept.interrupt()

        def answer() -> Answer:
            if number != self._asked:
                raise Superseded
            try:
                return self._answer_or_again(question, lambda: number == self._asked)
            except (LedgerError, OSError):
                if number != self._asked:
                    raise Superseded from None
                self._kept.close()
                raise

        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await loop.run_in_executor(self._thread, answer)
        self.note(loop.time() - began)
        return found

    def _answer_or_again(
        self, question: Callable[[Source], Answer], is_newest: Callable[[], bool]
    ) -> Answer:
        """A server may cancel this query in place of the one before, which was interrupted."""
        try:
            return self._answer(question)
        except LedgerError as error:
            if error.code != "ledger_canceled" or not is_newest():
                raise
            return self._answer(question)

    def _answer(self, question: Callable[[Source], Answer]) -> Answer:
        reader = self._kept.get()
        began = time.perf_counter()
        with reader.read_transaction():
            found = question(reader)
        if time.perf_counter() - began > _LARGE_S:
            trim_memory()
        return found

    def close(self) -> None:
        """Interrupt the running query and close the ledger."""
        self._asked += 1
        self._kept.interrupt()
        self._thread.submit(self._kept.close)
        self._thread.shutdown(wait=False)


class LiveQuery(Generic[Answer]):
    """Keeps the result of one query current while the ledger changes."""

    def __init__(
        self,
        worker: QueryWorker,
        question: Callable[[Source], Answer],
        take: Callable[[Answer], None],
        fail: Callable[[str], None],
        run: Callable[[Work], object],
    ) -> None:
        """`take` gets each result on the drawing thread, `fail` the reason for none.

        `run` starts a task there.
        """
        self._worker = worker
        self._question = question
        self._take = take
        self._fail = fail
        self._run = run
        # Counts the changes of the query.
        self.number = 0
        self._busy = False
        self._again = False

    def ask(self, question: Callable[[Source], Answer]) -> None:
        """Replace the query, and run it at once."""
        self._question = question
        self.number += 1
        self._busy = False
        self._start()

    def changed(self) -> None:
        """The ledger has changed: run it again, after the running one."""
        if self._busy:
            self._again = True
        else:
            self._start()

    def _start(self) -> None:
        self._busy, self._again = True, False
        self._run(partial(self._work, self.number))

    async def _work(self, number: int) -> None:
        began = asyncio.get_running_loop().time()
        try:
            answer = await self._worker.ask(self._question)
        except (Superseded, asyncio.CancelledError, RuntimeError):
            return
        except FileNotFoundError:
            pass  # The watcher shows it on all screens.
        except (LedgerError, OSError, ValueError, LookupError) as error:
            self._fail(str(error) if isinstance(error, LedgerError) else repr(error))
        else:
            if number == self.number:
                self._take(answer)
        await asyncio.sleep(_REST * (asyncio.get_running_loop().time() - began))
        if number == self.number:
            self._busy = False
            if self._again:
                self._start()
