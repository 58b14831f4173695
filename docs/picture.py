"""Draws the README's picture: the console in the middle of the demo.

python docs/picture.py
"""

import asyncio
import tempfile
from pathlib import Path
from threading import Thread

from core.clock import SystemClock
from state import views
from state.folder import Folder
from state.ledger import Ledger
from titan_console.app import TitanApp
from titan_console.demo.play import play
from titan_console.demo.texts import standard_library

_SIZE = (112, 30)
_SEED = 7


def _is_worth_a_picture(home: Path) -> bool:
    """Something has ended, and something still runs."""
    path = Folder(home).ledger
    if not path.exists():
        return False
    with Ledger(path, now=SystemClock().now, actor="picture") as ledger:
        return bool(views.closed_batches(ledger, limit=1) and views.open_batches(ledger))


async def _draw(home: Path) -> str:
    app = TitanApp(home, SystemClock())
    async with app.run_test(size=_SIZE) as pilot:
        while not _is_worth_a_picture(home):
            await pilot.pause(0.2)
        await pilot.pause(0.5)
        return app.export_screenshot(title="titan-console")


def _play(home: Path) -> None:
    play(home, standard_library(), seed=_SEED, say=lambda _line: None)


def main() -> None:
    """Play the demo in a thread, and draw it when it shows something."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "titan-console"
        player = Thread(target=_play, args=(home,))
        player.start()
        picture = asyncio.run(_draw(home))
        player.join()
    (Path(__file__).parent / "console.svg").write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
