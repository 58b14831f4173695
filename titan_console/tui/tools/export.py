"""`e`: exports the selected rows, else all rows of the list, to TITAN_HOME/exports."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from core.reporting import export
from core.reporting.export import Format, Record, RequestReport
from core.text import pluralize
from state.db.opening import open_reader
from state.db.reader import Source
from state.files.folder import Folder, open_private_text
from state.model.errors import LedgerError
from state.model.records import Batch
from state.queries import batch_detail, ended_batches
from titan_console.session import export_files
from titan_console.text.links import ToBatch, ToRequest, parse
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.page import Page, Records
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.widgets.record_table import Key, RecordTable

_ONE = {"batches": "batch", "requests": "request", "rows": "row"}
_FORMATS = {"j": Format.JSONL, "c": Format.CSV}


class Chosen(Struct, frozen=True):
    """What to export: requests by id, batches by key, or the data of other rows."""

    name: str
    keys: Sequence[Key]
    kind: str
    records: Records | None = None


def start(page: Page) -> None:
    """Ask in which format."""
    table = current_record.list_of(page) or _only_list(page)
    if table is None or not table.row_count:
        current_record.notify(page, _nothing(page))
        return
    page.run_worker(_export(page, table), exit_on_error=True)


def _nothing(page: Page) -> str:
    lists = [table for table in page.query(RecordTable) if table.focusable]
    if not lists:
        return "No list to export here."
    other = " Tab goes to another one." if any(table.row_count for table in lists) else ""
    return f"This list is empty.{other}"


def _only_list(page: Page) -> RecordTable | None:
    tables = list(page.query(RecordTable))
    return tables[0] if len(tables) == 1 else None


async def _export(page: Page, table: RecordTable) -> None:
    chosen = choose(page, table)
    which = "selected" if table.selection else "listed"
    entries = [
        Entry("j", "JSONL", "one JSON object per line"),
        Entry("c", "CSV", "for spreadsheets; formulas are escaped"),
    ]
    one, many = f"{which} {_ONE[chosen.kind]}", f"{which} {chosen.kind}"
    title = f"Export {pluralize(len(chosen.keys), one, many)}"
    form = _FORMATS.get(await app_of(page).push_screen_wait(Menu(title, entries)) or "")
    if form is None:
        return
    home, now = page.state.folder.root, page.state.now()
    try:
        path = export_files.new_path(home, chosen.name, form.value, now)
        count = await asyncio.to_thread(write, page.state.folder, chosen, form, path)
    except (LedgerError, OSError) as error:
        current_record.notify(page, f"Export failed: {error}", is_problem=True)
        return
    current_record.notify(
        page, f"{pluralize(count, _ONE[chosen.kind], chosen.kind)} exported to {path}"
    )


def choose(page: Page, table: RecordTable) -> Chosen:
    """The selected rows, else all of them."""
    keys = table.selection.chosen(table.keys) if table.selection else table.keys
    row = table.current()
    name = page.NAME.lower()
    records = page.records(table, keys)
    if records is not None:
        return Chosen(name, keys, "rows", records)
    match parse(row.link if row else "", page.state.tabs):
        case ToRequest():
            return Chosen(name, keys, "requests")
        case ToBatch():
            return Chosen(name, keys, "batches")
        case _:
            rows = _as_seen(table, keys)
            return Chosen(name, keys, "rows", lambda _: rows)


def _as_seen(table: RecordTable, keys: Sequence[Key]) -> list[Record]:
    """The cells of rows that no command prints."""
    rows = (table.row_of(key) for key in keys)
    return [{name: cell.text for name, cell in row.cells.items()} for row in rows if row]


def write(folder: Folder, chosen: Chosen, form: Format, path: Path) -> int:
    """Write the file with a reader of its own; the number of rows."""
    with open_reader(folder) as reader, open_private_text(path) as file:
        return export.write(records(reader, folder, chosen), file, form)


def records(source: Source, folder: Folder, chosen: Chosen) -> Iterator[Record | RequestReport]:
    """The data of the rows, as `--json` and `export` print it."""
    if chosen.kind == "requests":
        return export.requests(source, folder, (int(key) for key in chosen.keys))
    if chosen.kind == "batches":
        found = (_batch(source, key) for key in chosen.keys)
        return export.batches(batch for batch in found if batch)
    found = chosen.records(source) if chosen.records else ()
    return (dict(record) for record in found)


def _batch(source: Source, key: Key) -> Batch | None:
    """Open batches are listed by key, all others by id."""
    if isinstance(key, str):
        return batch_detail.batch(source, key)
    found = ended_batches.rows(source, [key]).get(key)
    return found.batch if found else None
