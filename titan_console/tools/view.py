"""`o`: opens a body in the operator's pager or editor, while the console steps aside."""

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.app import SuspendNotSupported

from core.settings import viewer
from titan_console.screens.menu import Entry, Menu
from titan_console.screens.page import Page
from titan_console.tools import subject
from titan_console.tools.material import Piece, pieces

if TYPE_CHECKING:
    from textual.app import App

_LONG = ("p", "r", "w", "e")


def start(page: Page) -> None:
    """Ask which body."""
    page.run_worker(_ask(page), exit_on_error=True)


async def _ask(page: Page) -> None:
    target, ledger = subject.target_of(page), page.view.path
    found = await subject.asked(page, lambda source: pieces(source, ledger, target))
    if found is None:
        return
    long = [piece for piece in found if piece.letter in _LONG]
    if not long:
        subject.tell(page, "There is no body to open here.")
        return
    app = cast("App[None]", page.app)  # pyright: ignore[reportUnknownMemberType]
    entries = [Entry(piece.letter, piece.name, piece.glimpse) for piece in long]
    letter = await app.push_screen_wait(Menu("Open", entries))
    for piece in long:
        if piece.letter == letter:
            await _open(page, app, piece)


async def _open(page: Page, app: "App[None]", piece: Piece) -> None:
    program = viewer()
    if not program:
        subject.tell(page, "There is no pager: set PAGER or EDITOR.", is_trouble=True)
        return
    path = await asyncio.to_thread(private_file, piece)
    try:
        with app.suspend():
            look(program, path)
    except SuspendNotSupported:
        subject.tell(page, "This terminal cannot step aside for a pager.", is_trouble=True)
    except OSError as error:
        subject.tell(page, f"{program[0]}: {error.strerror or error}", is_trouble=True)
    finally:
        path.unlink(missing_ok=True)


def private_file(piece: Piece) -> Path:
    """A file with the text, for its owner only; the caller removes it."""
    with tempfile.NamedTemporaryFile(
        "w",
        encoding="utf-8",
        errors="replace",
        prefix="titan-",
        suffix=f".{piece.suffix}",
        delete=False,
    ) as file:
        file.write(piece.text)
    return Path(file.name)


def look(program: Sequence[str], path: Path) -> None:
    """Run the program on the file until it ends. Raises OSError where it cannot be started."""
    with _interrupts_are_the_programs():
        subprocess.run([*program, str(path)], check=False)  # noqa: S603 - the operator's own pager


@contextmanager
def _interrupts_are_the_programs() -> Generator[None]:
    """Ctrl-C in a pager is for the pager; the console would take it for the end."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        with suppress(TypeError):
            signal.signal(signal.SIGINT, before)
