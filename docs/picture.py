"""Draws the pictures of the README: screens of the console over the running demo.

python docs/picture.py
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from core.clock import SystemClock
from state.db.reader import Reader
from state.files.folder import Folder
from state.queries import batch_list
from titan_console.tui.app import TitanApp

_SIZE = (118, 32)
_SEED = 7
# The demo writes a month of jobs first, then starts the running ones.
_TRIES = 600
# Name of the file -> the keys from the screen before, and a text that the screen shows.
_PICTURES: dict[str, tuple[tuple[str, ...], str]] = {
    "console": ((), "in progress"),
    "preview": (("3", "/", *"overloaded", "enter", "A", "R"), "≈"),
    "savings": (("escape", "escape", "escape", "4"), "Savings, last 30 days"),
    "kpis": (("5",), "KPIs, last 30 days"),
}


def _is_worth_a_picture(home: Path) -> bool:
    """Two jobs of today are open, and the latest ended batches are of today."""
    with Reader(Folder(home).ledger) as reader:
        now = [batch for batch in batch_list.open_batches(reader) if "-live-" in batch.tag]
        ended = batch_list.closed_batches(reader, limit=3)
    return len(now) > 1 and all("-live-" in batch.tag for batch in ended)


async def _until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(_TRIES):
        if condition():
            await pilot.pause(1.0)
            return
        await pilot.pause(0.2)
    raise TimeoutError("the demo did not show the expected text")


def _picture(pilot: Pilot[None]) -> str:
    return pilot.app.export_screenshot(title="titan-console")


def _shows(pilot: Pilot[None], text: str) -> bool:
    return text.replace(" ", "&#160;") in _picture(pilot)


async def _draw(home: Path, folder: Path) -> None:
    async with TitanApp(home, SystemClock()).run_test(size=_SIZE) as pilot:
        await _until(pilot, lambda: _is_worth_a_picture(home))
        for name, (keys, text) in _PICTURES.items():
            await pilot.press(*keys)
            await _until(pilot, lambda text=text: _shows(pilot, text))
            (folder / f"{name}.svg").write_text(_picture(pilot), "utf-8")


def main() -> None:
    """Run the demo in another process, as the console does, and draw its screens."""
    with tempfile.TemporaryDirectory() as name:
        # The console shows the path of the ledger relative to HOME.
        os.environ["HOME"] = name
        home = Path(name) / "titan"
        player = subprocess.Popen(
            (
                *(sys.executable, "-m", "titan_console", "demo", "--live"),
                *("--home", str(home), "--seed", str(_SEED)),
            ),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for line in player.stdout or ():
                if not line.strip().isdecimal():
                    break
            asyncio.run(_draw(home, Path(__file__).parent))
        finally:
            player.terminate()
            player.wait()


if __name__ == "__main__":
    main()
