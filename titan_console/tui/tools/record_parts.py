"""The parts of a record that can be copied, opened or compared, and the menu that asks for one."""

import json
import shlex
from collections.abc import Callable

from msgspec import Struct, to_builtins

from core.reporting import export, json_reports
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import Batch, Outcome
from state.queries import batch_detail, request_detail
from state.queries.request_detail import AttemptRecord, RequestRecord
from titan_console.session.body_reader import GONE, BodyReader, params_of, result_of, text_of
from titan_console.text import links
from titan_console.text.document import pretty
from titan_console.text.links import Destination, ToBatch, ToRequest
from titan_console.text.safe_text import clean, harmless, harmless_json
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.tools import export as export_tool
from titan_console.tui.widgets.record_table import RecordTable

_EXCERPT = 36
# The letters in the menu, the same on every screen.
LETTERS = {
    "custom_id": "y",
    "batch key": "b",
    "API batch id": "i",
    "tag": "t",
    "tags": "t",
    "body": "p",
    "response": "r",
    "whole response": "w",
    "error": "e",
    "fingerprint": "f",
    "requests": "y",
    "command line": "c",
    "link": "l",
    "JSON": "j",
}


class RecordPart(Struct, frozen=True):
    """A text, its letter in the menu, its name, and the suffix of its file."""

    letter: str
    name: str
    text: str
    suffix: str = "txt"

    @property
    def excerpt(self) -> str:
        """The start of the text, in one line."""
        begins = " ".join(self.text[: 4 * _EXCERPT].split())
        return begins if len(begins) <= _EXCERPT else f"{begins[: _EXCERPT - 1]}…"


def _part(name: str, text: str, suffix: str = "txt") -> RecordPart:
    return RecordPart(LETTERS[name], name, text, suffix)


def parts_of(source: Source, folder: Folder, destination: Destination | None) -> list[RecordPart]:
    """The parts of a record in the order of the menu; empty for an unknown record."""
    if isinstance(destination, ToBatch):
        batch = batch_detail.batch(source, destination.name)
        return _of_batch(batch) if batch else []
    if isinstance(destination, ToRequest):
        request = request_detail.request(source, destination.tag, destination.custom_id)
        return _of_request(source, request, BodyReader(folder, source.files)) if request else []
    return []


def _of_batch(batch: Batch) -> list[RecordPart]:
    return _filled(
        _part("batch key", clean(batch.key)),
        _part("API batch id", clean(batch.remote_id or "")),
        _part("tag", clean(batch.tag)),
        _part("error", clean(batch.last_error or "")),
        _part("command line", _command("show", batch.key)),
        _part("link", links.to_batch(batch.key)),
        _json(to_builtins(json_reports.batch(batch))),
    )


def _of_request(source: Source, request: RequestRecord, bodies: BodyReader) -> list[RecordPart]:
    best = request.effective
    exported = export.requests(source, bodies.folder, [request.request_id])
    return _filled(
        _part("custom_id", clean(request.custom_id)),
        _part("batch key", clean(best.batch_key) if best else ""),
        _part("API batch id", clean(best.remote_id or "") if best else ""),
        _part("tag", clean(request.tag)),
        _part("body", payload(request, bodies), "json"),
        *_response(best, bodies),
        _part("error", _error(best)),
        _part("command line", _command("show", f"{request.tag}/{request.custom_id}")),
        _part("link", links.to_request(request.tag, request.custom_id)),
        *(_json(to_builtins(record)) for record in exported),
    )


def _json(record: object) -> RecordPart:
    """A record as `--json` and the export print it."""
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    return _part("JSON", harmless_json(text), "json")


def _filled(*found: RecordPart) -> list[RecordPart]:
    return [part for part in found if part.text]


def payload(request: RequestRecord, bodies: BodyReader) -> str:
    """The params of the effective attempt as JSON; empty where they are not stored."""
    span = request.effective.body if request.effective else request.body
    line = bodies.payload(span).line
    return "" if line is None else harmless_json(pretty(params_of(line)))


def _response(attempt: AttemptRecord | None, bodies: BodyReader) -> list[RecordPart]:
    """The text of the response if it has one, and all of it."""
    body = bodies.answer(attempt) if attempt else None
    if body is None or body.line is None:
        return []
    whole = _part("whole response", harmless_json(pretty(result_of(body.line))), "json")
    text = text_of(body.line)
    return [_part("response", harmless(text)), whole] if text else [whole]


def _error(attempt: AttemptRecord | None) -> str:
    if attempt is None or attempt.outcome in (None, Outcome.SUCCEEDED):
        return ""
    kind = attempt.error_type or attempt.outcome or ""
    return clean(f"{kind}: {attempt.error_message}" if attempt.error_message else kind)


def _command(action: str, name: str) -> str:
    """A command line with a quoted name; empty where a part of it cannot be shown."""
    line = shlex.join(["titan-console", action, *(["--"] if name.startswith("-") else []), name])
    return line if clean(line) == line else ""


def whole_attempt(attempt: AttemptRecord, bodies: BodyReader) -> str:
    """Request and response of an attempt, for a comparison."""
    asked = bodies.payload(attempt.body).line
    body = bodies.answer(attempt)
    answered = body.line if body else b"no response"
    return "\n".join(
        (
            "REQUEST",
            GONE if asked is None else pretty(params_of(asked)),
            "",
            "RESPONSE",
            GONE if answered is None else pretty(result_of(answered)),
        )
    )


def _data_of_row(page: Page) -> Callable[[Source], list[RecordPart]] | None:
    """The parts of a row without a link: its texts by name, and all of its data."""
    table = current_record.list_of(page)
    key = table.current_key() if table else None
    records = page.records(table, [key]) if table and key is not None else None
    named = page.parts(table) if table else None
    if records is None:
        return None

    def read(source: Source) -> list[RecordPart]:
        texts = dict(named(source)) if named else {}
        return _filled(
            *(_part(name, clean(text)) for name, text in texts.items()),
            *(_json(record) for record in records(source)),
        )

    return read


# The names of selected rows, each in a line of its own.
_NAMES = {"requests": ("custom_ids", "custom_id"), "batches": ("batch keys", "batch_id")}


def parts_of_selection(page: Page, table: RecordTable) -> Callable[[Source], list[RecordPart]]:
    """The names of the selected rows, and their data, a line each."""
    chosen, folder = export_tool.choose(page, table), page.state.folder

    def read(source: Source) -> list[RecordPart]:
        found = [to_builtins(record) for record in export_tool.records(source, folder, chosen)]
        plural, name = _NAMES.get(chosen.kind, ("", ""))
        names = "\n".join(clean(record[name]) for record in found) if name else ""
        lines = "\n".join(json.dumps(one, ensure_ascii=False, default=str) for one in found)
        return _filled(RecordPart("y", plural, names), RecordPart("j", "JSON", lines, "jsonl"))

    return read


async def pick(
    page: Page,
    title: str,
    *,
    fits: Callable[[RecordPart], bool] = lambda _: True,
    none: str,
    of_selection: Callable[[Source], list[RecordPart]] | None = None,
) -> RecordPart | None:
    """The part chosen in a menu of those that fit; without any, the notice `none` is shown."""
    destination, folder = current_record.destination_of(page), page.state.folder
    data = None if destination else _data_of_row(page)

    def read(source: Source) -> list[RecordPart]:
        question = of_selection or data
        return question(source) if question else parts_of(source, folder, destination)

    found = await current_record.query(page, read)
    if found is None:
        return None
    offered = [part for part in found if fits(part)]
    if not offered:
        current_record.notify(page, none)
        return None
    entries = [Entry(part.letter, part.name, part.excerpt) for part in offered]
    letter = await app_of(page).push_screen_wait(Menu(title, entries))
    return next((part for part in offered if part.letter == letter), None)
