"""Ways to drive the console in a test and to read what it shows."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.console import quick_idle, shared_css
from support.console.console_builders import LedgerBuilder
from textual.events import Key
from textual.pilot import Pilot

from titan_console.tui.app import TitanApp
from titan_console.tui.widgets.record_table import RecordTable

shared_css.share()
quick_idle.use()

_TRIES = 2000
_BETWEEN_TRIES_S = 0.005


@asynccontextmanager
async def opened(
    made: LedgerBuilder, size: tuple[int, int] = (120, 40)
) -> AsyncGenerator[Pilot[None], None]:
    """The console on that ledger, its first picture shown."""
    async with TitanApp(made.path.parent, made.clock).run_test(size=size) as pilot:
        await until_seen(pilot)
        yield pilot
    made.close()


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app work until the condition holds; fail when it never does."""
    for _ in range(_TRIES):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(_BETWEEN_TRIES_S)
    raise AssertionError(f"the console never came to what was waited for:\n{shown(pilot)}")


async def until_shown(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in shown(pilot))


async def until_seen(pilot: Pilot[None]) -> None:
    """The first picture of a ledger is on the screen."""
    await until(pilot, lambda: app_of(pilot).state.snapshot is not None)


def app_of(pilot: Pilot[None]) -> TitanApp:
    assert isinstance(pilot.app, TitanApp)
    return pilot.app


def lines(pilot: Pilot[None]) -> list[str]:
    """The screen as the terminal gets it."""
    return [strip.text for strip in pilot.app.screen._compositor.render_strips()]


def shown(pilot: Pilot[None]) -> str:
    return "\n".join(lines(pilot))


def at_once(pilot: Pilot[None], *keys: str) -> None:
    """As a fast typist or a macro does: no key waits for what the one before shows."""
    for key in keys:
        pilot.app.post_message(Key(key, key if len(key) == 1 else None))


def table(pilot: Pilot[None], name: str) -> RecordTable:
    return pilot.app.screen.query_one(f"#{name}-table", RecordTable)


async def in_another_process(home: Path, code: str) -> None:
    """Run `code` elsewhere, with `made`, a LedgerBuilder on the ledger in `home`."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from support.console.console_builders import LedgerBuilder, Failure\n"
        f"made = LedgerBuilder(Path(sys.argv[2]))\n{code}\nmade.close()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(Path(__file__).parents[2]), str(home)
    )
    assert await process.wait() == 0
