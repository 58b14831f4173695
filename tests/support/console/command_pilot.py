"""The console over a bench: the real engine runs its commands over the sandbox."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from support.builders import Bench
from support.console.console_pilot import table, until, until_seen, until_shown
from textual.pilot import Pilot

from state.operations import commands
from state.operations.commands import Command
from titan_console.session.poll_helper import PollResult
from titan_console.tui.app import TitanApp
from titan_console.tui.pages.preview_dialog import PreviewDialog

LARGE, SMALL, TINY = (120, 40), (80, 24), (60, 16)


class BenchPollRunner:
    """Polls of the bench's engine, made at once."""

    def __init__(self, bench: Bench) -> None:
        self.made = 0
        self._bench = bench

    def start(self, done: Callable[[PollResult], object]) -> None:
        self.made += 1
        summary = self._bench.engine.poll()
        done(PollResult(code=0, ran=summary.ran, problems=tuple(summary.problems)))


@asynccontextmanager
async def console(
    bench: Bench, size: tuple[int, int] = LARGE, *, read_only: bool = False
) -> AsyncGenerator[Pilot[None], None]:
    app = TitanApp(
        bench.folder.root,
        bench.clock,
        poll_runner=BenchPollRunner(bench),
        read_only=read_only,
        ledger_url=bench.folder.ledger_url,
    )
    async with app.run_test(size=size) as pilot:
        await until_seen(pilot)
        yield pilot


def failed(bench: Bench, count: int, fault: str = "row:overloaded:p=1") -> None:
    bench.faults.add(fault)
    bench.submit(count)
    bench.poll_after(60)
    bench.faults.clear()


def given(bench: Bench) -> list[Command]:
    return commands.latest(bench.engine.context.ledger, limit=10)


async def to_errors(pilot: Pilot[None]) -> None:
    await until_shown(pilot, "Latest errors")
    table(pilot, "errors").focus()
    await pilot.pause()


async def to_preview(pilot: Pilot[None], title: str) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, PreviewDialog))
    await until_shown(pilot, title)


async def replay_the_error(pilot: Pilot[None]) -> None:
    """Order the replay of the one failed request, and see its countdown begin."""
    await to_errors(pilot)
    await pilot.press("R")
    await to_preview(pilot, "Replay 1 request ")
    await pilot.press("y")
    await until_shown(pilot, "in 8s")
