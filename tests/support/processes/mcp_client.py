"""The official MCP client, over this process's server or one that it starts."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import TextContent

from core.config.settings import Settings, child_environment
from titan_console.agents.server import make_server
from titan_console.agents.tools import Agent

KEY = "sk-ant-test"
# Its parent, the client, does not tell which process it started.
_WITH_ID = (
    "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid()));"
    " os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
LIMITS = "[budgets.agents]\ncall_usd = 1\nday_usd = 5\n"


class Session:
    """A connected client."""

    def __init__(self, client: Client) -> None:
        """`call` and `fails` call tools."""
        self.client = client
        self.progress: list[str] = []

    async def tools(self) -> list[str]:
        """The names of the tools that the server lists."""
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a call that succeeds."""
        is_error, answer = await self.ask(tool, **arguments)
        assert not is_error, answer
        return answer

    async def fails(self, tool: str, **arguments: Any) -> tuple[str, str]:
        """Code and message of a call that does not."""
        is_error, answer = await self.ask(tool, **arguments)
        assert is_error, answer
        assert list(answer) == ["error"]
        return answer["error"]["code"], answer["error"]["message"]

    async def ask(self, tool: str, **arguments: Any) -> tuple[bool, Any]:
        """Whether the call failed, and what it returned."""
        result = await self.client.call_tool(tool, arguments, progress_callback=self._progress)
        (content,) = result.content
        assert isinstance(content, TextContent)
        return result.is_error, json.loads(content.text)

    async def _progress(self, progress: float, total: float | None, message: str | None) -> None:
        assert 0 <= progress <= (total or 0) + 5
        self.progress.append(message or "")


def settings(home: Path, address: str, *, has_key: bool = True) -> Settings:
    """The settings of a server on that ledger."""
    return Settings(home=home, base_url=address, api_key=KEY if has_key else None)


@asynccontextmanager
async def in_process(
    home: Path, address: str, *, writes: bool = True, has_key: bool = True
) -> AsyncGenerator[Session, None]:
    """A client of a server in this process."""
    agent = Agent(settings=settings(home, address, has_key=has_key), writes=writes)
    async with Client(make_server(agent)) as client:
        yield Session(client)


@asynccontextmanager
async def over_stdio(
    python: str, home: Path, address: str, *arguments: str, pid_file: Path | None = None
) -> AsyncGenerator[Session, None]:
    """A client of `titan-console mcp`, a process of its own, whose id is in the file."""
    words = ["-m", "titan_console", "mcp", *arguments]
    server = StdioServerParameters(
        command=python,
        args=words if pid_file is None else ["-c", _WITH_ID, str(pid_file), *words],
        env=child_environment(settings(home, address)),
    )
    async with Client(stdio_client(server)) as client:
        yield Session(client)
