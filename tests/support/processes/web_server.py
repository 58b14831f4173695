"""The console served to browsers by a process of its own."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from core.config.settings import Settings, child_environment

KEY = "sk-ant-secret"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?token=(\S+)")


@dataclass
class Served:
    """Where it answers, and the link that opens it."""

    process: asyncio.subprocess.Process
    port: int
    link: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def next_link(self) -> str:
        """The link that it prints once one was used."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            found = LINK.search(line.decode())
            if found:
                return found[0]
        raise AssertionError("the server ended")


@asynccontextmanager
async def served(home: Path, *arguments: str) -> AsyncGenerator[Served]:
    """The console on the ledger in `home`, for as long as it is needed."""
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "titan_console", "serve", "--port", str(port), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(Settings(home=home, api_key=KEY)),
    )
    try:
        assert process.stdout is not None
        link = (await process.stdout.readline()).decode().strip()
        made = Served(process, port, link)
        await _until_it_answers(made)
        yield made
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_it_answers(server: Served) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(600):
            try:
                async with http.get(server.address):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise AssertionError("the server never answered")
