"""`ctrl+s`: saves a screenshot as SVG and as text."""

import asyncio
from pathlib import Path

from state.files.folder import open_private_text
from titan_console.session import export_files
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record


def start(page: Page) -> None:
    """Take it now; write it on a thread."""
    picture = app_of(page).export_screenshot(title="Titan Console")
    strips = page._compositor.render_strips()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Textual has no other way
    text = "".join(f"{strip.text.rstrip()}\n" for strip in strips)
    page.run_worker(_keep(page, picture, text), exit_on_error=True)


async def _keep(page: Page, picture: str, text: str) -> None:
    home, now = page.state.folder.root, page.state.now()
    try:
        path = export_files.new_path(home, f"screen-{page.NAME.lower()}", "svg", now)
        await asyncio.to_thread(_write, {path: picture, path.with_suffix(".txt"): text})
    except OSError as error:
        current_record.notify(page, f"Cannot write the screenshot: {error}", is_problem=True)
        return
    current_record.notify(page, f"Screenshot saved to {path}, with the text beside it")


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        with open_private_text(path) as file:
            file.write(text)
