"""`y`: copies a part of a record, or the selected rows, through the terminal (OSC 52).

What is too large for it is saved to a file.
"""

import asyncio

from titan_console.session import export_files
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.tools.record_parts import RecordPart, parts_of_selection, pick

# Terminals accept at least 100,000 bytes of base64 in one sequence.
MOST_BYTES = 74_994
# Selected rows whose data is read at once.
MOST_ROWS = 1000


def start(page: Page) -> None:
    """Ask what to copy of the record or the selected rows."""
    page.run_worker(_ask(page), exit_on_error=True)


async def _ask(page: Page) -> None:
    table = current_record.list_of(page)
    if table is None or not table.selection:
        part = await pick(page, "Copy", none="Nothing to copy here.")
    elif (count := len(table.selection)) > MOST_ROWS:
        part = None
        current_record.notify(page, f"{count:,} rows are too many to copy. Press e to export them.")
    else:
        title, read = f"Copy {count:,} selected", parts_of_selection(page, table)
        part = await pick(page, title, none="Nothing to copy here.", of_selection=read)
    if part is not None:
        await _copy(page, part)


def fits(text: str) -> bool:
    """Whether a terminal accepts a text of that size."""
    return len(text.encode("utf-8", "replace")) <= MOST_BYTES


async def _copy(page: Page, part: RecordPart) -> None:
    if fits(part.text):
        app_of(page).copy_to_clipboard(part.text)
        current_record.notify(page, f"Copied the {part.name} (if the terminal allows it).")
        return
    home, now = page.state.folder.root, page.state.now()
    try:
        path = await asyncio.to_thread(
            export_files.keep, home, part.name, part.suffix, part.text, now
        )
    except OSError as error:
        current_record.notify(
            page, f"Cannot write the file: {error.strerror or error}.", is_problem=True
        )
        return
    current_record.notify(page, f"The {part.name} is too large to copy; saved to {path}")
