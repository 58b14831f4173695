"""`d`: compares two attempts of a request, or two selected requests."""

import asyncio

from state.db.reader import Source
from state.files.folder import Folder
from state.queries import request_detail
from state.queries.request_detail import RequestRecord
from titan_console.session.body_reader import BodyReader
from titan_console.text.diff import difference
from titan_console.text.links import ToRequest, parse
from titan_console.tui.pages.detail_page import DocumentPage
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.tools.record_parts import whole_attempt

_TWO = 2
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
Side = tuple[str, str]


def start(page: Page) -> None:
    """Compare two selected rows, else two attempts of the current request."""
    page.run_worker(_compare(page), exit_on_error=True)


async def _compare(page: Page) -> None:
    selected = _selected(page)
    folder = page.state.folder
    if selected:
        if len(selected) != _TWO:
            current_record.notify(
                page, f"{len(selected):,} rows are selected; select two to compare."
            )
            return
        sides = await current_record.query(page, lambda source: _requests(source, folder, selected))
    else:
        sides = await _attempts(page, folder)
    if sides is None:
        return
    if len(sides) != _TWO:
        current_record.notify(page, "Select two requests, or one request with two attempts.")
        return
    (left_name, left), (right_name, right) = sides
    document = await asyncio.to_thread(difference, left, right, left_name, right_name)
    app_of(page).push_screen(DocumentPage(page.state, document))


def _selected(page: Page) -> list[ToRequest | None]:
    """The selected requests; None for a row that is not a request or not loaded."""
    table = current_record.list_of(page)
    if table is None or not table.selection:
        return []
    rows = (table.row_of(key) for key in table.selection.chosen(table.keys)[: _TWO + 1])
    targets = (parse(row.link, page.state.tabs) if row else None for row in rows)
    return [destination if isinstance(destination, ToRequest) else None for destination in targets]


def _requests(source: Source, folder: Folder, selected: list[ToRequest | None]) -> list[Side]:
    """The effective attempts of these requests."""
    bodies = BodyReader(folder, source.files)
    found = [request_detail.request(source, t.tag, t.custom_id) for t in selected if t is not None]
    return [
        (f"{request.tag} / {request.custom_id}", whole_attempt(request.effective, bodies))
        for request in found
        if request is not None and request.effective is not None
    ]


async def _attempts(page: Page, folder: Folder) -> list[Side] | None:
    """The last attempt and the one before; with more than two, one is chosen in a menu."""
    destination = current_record.destination_of(page)
    if not isinstance(destination, ToRequest):
        return []
    found = await current_record.query(
        page, lambda source: request_detail.request(source, destination.tag, destination.custom_id)
    )
    if found is None or len(found.attempts) < _TWO:
        return []
    earlier = len(found.attempts) - _TWO
    if earlier:
        letter = await app_of(page).push_screen_wait(
            Menu("Compare the last attempt with", _menu(found))
        )
        if letter is None:
            return None
        earlier = _LETTERS.index(letter)
    return await current_record.query(page, lambda source: _sides(source, found, folder, earlier))


def _sides(source: Source, found: RequestRecord, folder: Folder, earlier: int) -> list[Side]:
    bodies = BodyReader(folder, source.files)
    numbered = [(n, found.attempts[n]) for n in (earlier, len(found.attempts) - 1)]
    return [
        (f"attempt {n + 1:,}, {attempt.batch_key}", whole_attempt(attempt, bodies))
        for n, attempt in numbered
    ]


def _menu(found: RequestRecord) -> list[Entry]:
    earlier = found.attempts[:-1][: len(_LETTERS)]
    return [
        Entry(letter, f"attempt {number:,}", attempt.outcome or "in progress")
        for number, (letter, attempt) in enumerate(zip(_LETTERS, earlier, strict=False), 1)
    ]
