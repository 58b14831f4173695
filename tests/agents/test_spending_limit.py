"""[budgets.agents] against everything an agent can try: MCP, the command line, restarts, kills."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from support.builders import a_request
from support.processes.mcp_client import in_process, over_stdio, settings
from support.processes.terminal import Terminal, a_server

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.intake.options import SubmitOptions
from state.batches.budget_reservations import Scope, reserved
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

REFUSED = "over_budget"


class Ledger:
    """A ledger with requests that failed before there was a limit."""

    def __init__(self, root: Path, sandbox: Sandbox, address: str, *, failed: int) -> None:
        self.home, self.address = root / "home", address
        self.terminal = Terminal(self.home, address)
        self._rows = root / "rows.jsonl"
        sandbox.faults.add("row:overloaded:p=1")
        with open_engine(settings(self.home, address), actor="test") as engine:
            requests = [a_request(f"f-{number:03d}") for number in range(failed)]
            engine.submit(requests, SubmitOptions(tag="failed"))
            engine.poll()
            ledger = engine.context.ledger
            (row,) = ledger.rows("SELECT max(at_most_batch_nano) AS nano FROM requests")
        self.each_nano: int = row["nano"]
        sandbox.faults.clear()

    def limit(self, requests: float) -> int:
        """Let agents spend what so many requests cost in batches; in nano-dollars."""
        nano = round(requests * self.each_nano)
        text = f"[budgets.agents]\ncall_usd = 1\nday_usd = {nano / 1e9:.9f}\n"
        text += "[recovery]\nwait_after_timeout_s = 60\nwait_after_error_s = 60\n"
        (self.home / "titan.toml").write_text(text, "utf-8")
        return nano

    def used(self) -> int:
        """What is spent or reserved today."""
        with open_engine(settings(self.home, self.address), actor="test") as engine:
            today = SystemClock().now().date().isoformat()
            return reserved(engine.context.ledger, Scope(day=today))

    def types(self, *arguments: str, name: str = "") -> str:
        """A command in the agent's shell: the code of its error, or none."""
        if name:
            rows = self._rows.with_name(f"{name}.jsonl")
            rows.write_text(json.dumps(a_request(f"{name}-1")), "utf-8")
            arguments = (*arguments, str(rows))
        done = self.terminal.run(*arguments, "--json")
        for line in done.err.splitlines():
            if line.startswith("{"):
                return json.loads(line)["error"]["code"]
        return ""


async def code_of(session: Any, tool: str, **arguments: Any) -> str:
    """The code of a call's error, or none."""
    is_error, answer = await session.ask(tool, **arguments)
    return answer["error"]["code"] if is_error else ""


async def test_no_way_of_an_agent_leads_past_the_limit_of_the_day(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        ledger = Ledger(tmp_path, sandbox, address, failed=3)
        sandbox.plan = Plan.seconds(3600, 3600)
        limit = ledger.limit(3.5)
        home = ledger.home
        async with in_process(home, address) as first, in_process(home, address) as second:
            fits = [
                await code_of(first, "submit", tag="a", requests=[a_request("a-1")]),
                await code_of(second, "replay", names=["failed/f-000"]),
                ledger.types("submit", "--tag", "b", "--workflow", "titan-daily-feed", name="b"),
            ]
            assert fits == ["", "", ""]
            assert limit - ledger.each_nano < ledger.used() <= limit
            again = [
                await code_of(first, "submit", tag="c", requests=[a_request("c-1")]),
                await code_of(second, "submit", tag="d", workflow="x", requests=[a_request("d-1")]),
                await code_of(first, "plan", tag="c", requests=[a_request("c-1")]),
                await code_of(second, "replay", names=["failed/f-001"], force=True, canary=True),
                ledger.types("submit", "--tag", "e", "--job", "none", name="e"),
                ledger.types("submit", "--tag", "e", "--workflow", "y", name="e"),
                ledger.types("submit", "--tag", "f", "--on-failure", "sync", name="f"),
                ledger.types("replay", "failed/f-001", "--yes"),
                ledger.types("sync", "failed/f-001", "--yes"),
                ledger.types("sync", "a", "--yes"),
            ]
        async with in_process(home, address) as restarted:
            again.append(await code_of(restarted, "submit", tag="g", requests=[a_request("g-1")]))
            # What it did before is not done again, and is no error.
            same = await restarted.call("submit", tag="a", requests=[a_request("a-1")])
        assert Counter(again) == {REFUSED: 10, "unknown_job": 1}
        assert same["repeated"] is True
        ledger.terminal.run("--poll")
        assert ledger.used() <= limit
        assert sandbox.billing_log().creates == 4


async def test_a_server_that_is_killed_while_it_submits_has_sent_once_and_reserved_once(
    tmp_path: Path,
) -> None:
    with a_server() as (sandbox, address):
        ledger = Ledger(tmp_path, sandbox, address, failed=1)
        limit = ledger.limit(1.5)
        sandbox.faults.add("create:slow:seconds=60:times=1")
        given: dict[str, Any] = {"tag": "t", "requests": [a_request("t-1")]}
        pid_file = tmp_path / "pid"
        with suppress(MCPError, ExceptionGroup):
            async with over_stdio(
                sys.executable, ledger.home, address, "--write", pid_file=pid_file
            ) as session:
                call = asyncio.create_task(session.call("submit", **given))
                await asyncio.to_thread(_wait_for_creates, sandbox, 2)
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
                await call
        assert limit - ledger.each_nano < ledger.used() <= limit
        async with in_process(ledger.home, address) as session:
            again = await session.call("submit", **given)
            assert again["repeated"] is True
            other = await code_of(session, "submit", tag="u", requests=[a_request("u-1")])
            assert other == REFUSED
            assert (await session.call("wait", name="t"))["settled"] is True
        assert sandbox.billing_log().creates == 2
        assert 0 < ledger.used() < ledger.each_nano


def _wait_for_creates(sandbox: Sandbox, count: int) -> None:
    while sandbox.billing_log().creates < count:
        SystemClock().sleep(0.01)


class Agent:
    """Tries to spend through an MCP server that it restarts, and now and then kills."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger, self.name = ledger, name
        self.outcomes: Counter[str] = Counter()

    async def tries(self, start: int, count: int) -> None:
        """So many attempts, each numbered, ten a server."""
        for first in range(start, start + count, 10):
            with suppress(MCPError, ExceptionGroup, OSError):
                await self._serve(range(first, first + 10), is_killed=first % 20 == 0)

    async def _serve(self, numbers: range, *, is_killed: bool) -> None:
        pid_file = self.ledger.home.parent / f"{self.name}.pid"
        async with over_stdio(
            sys.executable, self.ledger.home, self.ledger.address, "--write", pid_file=pid_file
        ) as session:
            for number in numbers[: -1 if is_killed else None]:
                self.outcomes[await self._one(session, number)] += 1
            if is_killed:
                self.outcomes["killed"] += 1
                call = asyncio.create_task(self._one(session, numbers[-1]))
                await asyncio.sleep(0)
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
                await call

    async def _one(self, session: Any, number: int) -> str:
        if number % 2:
            return await code_of(session, "replay", names=[f"failed/f-{number:03d}"])
        given = {"tag": f"{self.name}-{number}", "requests": [a_request(f"m-{number}")]}
        return await code_of(session, "submit", workflow=f"w{number % 7}", **given)


def type_attempts(ledger: Ledger, start: int, count: int) -> Counter[str]:
    """So many attempts in the agent's shell."""
    found: Counter[str] = Counter()
    for number in range(start, start + count):
        failed = f"failed/f-{number:03d}"
        match number % 3:
            case 0:
                code = ledger.types("submit", "--tag", f"c-{number}", name=f"c{number}")
            case 1:
                code = ledger.types("replay", failed, "--yes")
            case _:
                code = ledger.types("sync", failed, "--yes")
        found[code] += 1
    return found


@pytest.mark.slow
async def test_two_hundred_attempts_in_every_way_stay_within_the_limit(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        ledger = Ledger(tmp_path, sandbox, address, failed=200)
        sandbox.plan = Plan.seconds(1, 3)
        limit = ledger.limit(8)
        agents = [Agent(ledger, "one"), Agent(ledger, "two")]
        _, _, first, second = await asyncio.gather(
            agents[0].tries(0, 50),
            agents[1].tries(50, 50),
            asyncio.to_thread(type_attempts, ledger, 100, 50),
            asyncio.to_thread(type_attempts, ledger, 150, 50),
        )
        outcomes = agents[0].outcomes + agents[1].outcomes + first + second
        assert sum(outcomes.values()) == 200, outcomes
        assert set(outcomes) == {"", "killed", REFUSED}, outcomes
        assert outcomes[REFUSED] > 100
        assert outcomes[""] >= 6
        assert ledger.used() <= limit
        _finish(ledger)
        billed = sum(row.usd for row in sandbox.billing_log().billed())
        assert 0 < billed * 10**9 <= limit
        with open_engine(settings(ledger.home, address), actor="test") as engine:
            totals = ledger_status.totals(engine.context.ledger)
        assert totals.cost_nano == pytest.approx(float(billed * 10**9), rel=1e-6)


def _finish(ledger: Ledger) -> None:
    """Poll until nothing is open, what was killed included."""
    clock = SystemClock()
    until = clock.monotonic() + 240
    with open_engine(settings(ledger.home, ledger.address), actor="test") as engine:
        while engine.poll().open and clock.monotonic() < until:
            clock.sleep(2)
