"""A network between clients and PostgreSQL: each direction takes its time, or nothing passes."""

import asyncio
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

_BYTES = 65_536
# Where the network is slower than the server, it does not take ever more.
_MOST_UNDER_WAY = 1000


class SlowProxy:
    """Forwards connections to `port` to the socket of a server, `delay_s` later in each direction.

    After `hang`, connections are accepted, and what they send gets no answer.
    """

    def __init__(self, server: Path, *, delay_s: float = 0.0) -> None:
        self._server = server
        self._delay_s = delay_s
        self._running = set[asyncio.Task[None]]()
        self._is_ready = Event()
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._passes.set()
        self.port = 0
        self._thread = Thread(target=self._run, name="slow-proxy", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def hang(self) -> None:
        """Nothing passes from now on."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def close(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listener = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = listener.sockets[0].getsockname()[1]
        self._is_ready.set()
        self._loop.run_forever()
        listener.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._server)
        self._start(self._forward(client, to_server))
        self._start(self._forward(server, to_client))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        under_way = asyncio.Queue[tuple[float, bytes]](_MOST_UNDER_WAY)
        arriving = self._start(self._arrive(under_way, target))
        with suppress(OSError):
            while data := await source.read(_BYTES):
                await under_way.put((self._loop.time() + self._delay_s, data))
        await under_way.put((self._loop.time() + self._delay_s, b""))
        await arriving

    async def _arrive(
        self, under_way: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter
    ) -> None:
        with closing(target), suppress(OSError):
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(due - self._loop.time())
                await self._passes.wait()
                if not data:
                    break
                target.write(data)
                await target.drain()
