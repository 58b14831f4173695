"""`o`: opens a body in the pager or editor, while the console is suspended."""

import asyncio
import tempfile
from pathlib import Path

from textual.app import SuspendNotSupported

from core.config.settings import viewer
from titan_console.tui.pages.editor import run_program
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.tools.record_parts import RecordPart, pick

_LONG = ("p", "r", "w", "e")


def start(page: Page) -> None:
    """Ask which body."""
    page.run_worker(_ask(page), exit_on_error=True)


async def _ask(page: Page) -> None:
    part = await pick(
        page,
        "Open",
        fits=lambda part: part.letter in _LONG,
        none="No body to open here.",
    )
    if part is not None:
        await _open(page, part)


async def _open(page: Page, part: RecordPart) -> None:
    program = viewer()
    if not program:
        current_record.notify(page, "No pager found: set PAGER or EDITOR.", is_problem=True)
        return
    path = await asyncio.to_thread(private_file, part)
    try:
        with app_of(page).suspend():
            run_program(program, path)
    except SuspendNotSupported:
        current_record.notify(
            page, "This terminal cannot be suspended for a pager.", is_problem=True
        )
    except OSError as error:
        current_record.notify(page, f"{program[0]}: {error.strerror or error}", is_problem=True)
    finally:
        path.unlink(missing_ok=True)


def private_file(part: RecordPart) -> Path:
    """A private temporary file with the text; the caller removes it."""
    with tempfile.NamedTemporaryFile(
        "w",
        encoding="utf-8",
        errors="replace",
        prefix="titan-",
        suffix=f".{part.suffix}",
        delete=False,
    ) as file:
        file.write(part.text)
    return Path(file.name)
