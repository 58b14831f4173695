"""Reads request and response bodies from the files beside the ledger. For one thread."""

from pathlib import Path

import msgspec
from msgspec import Struct

from core.api.result_schema import message_of
from core.delivery.results import text_of as text_of_message
from state.files.file_store import LOCAL_FILES, FileStore
from state.files.folder import Folder
from state.files.spool import LineReader
from state.model.errors import FileMissing
from state.queries.request_detail import AttemptRecord, FileSpan
from titan_console.text.document import Document, DocumentBuilder, pretty

GONE = "No longer stored."
_MAX_KEPT = 6


class Body(Struct, frozen=True):
    """One line of a file; None with the reason where the file is missing."""

    line: bytes | None
    reason: str = ""


class BodyReader:
    """Reads bodies by file and offset, and caches the latest documents."""

    def __init__(self, folder: Folder, files: FileStore = LOCAL_FILES) -> None:
        """`files` is the store of the source that named the bodies. Nothing is opened yet."""
        self.folder = folder
        #: A page that keeps this reader sets it for each query.
        self.files = files
        self._documents: dict[tuple[str, FileSpan], Document] = {}

    def payload(self, span: FileSpan) -> Body:
        """The request as submitted: custom_id and params."""
        return self._read(self.folder.spool, span)

    def answer(self, attempt: AttemptRecord) -> Body | None:
        """The API's response with the caller's custom_id; None where there is none."""
        return self._read(self.folder.results, attempt.result) if attempt.result else None

    def payload_document(self, span: FileSpan) -> Document:
        """The params as indented JSON."""
        return self._made("payload", span, self.payload(span))

    def answer_document(self, attempt: AttemptRecord) -> Document | None:
        """The text of the response, then all of it; None where there is none."""
        body = self.answer(attempt)
        return self._made("answer", attempt.result, body) if attempt.result and body else None

    def _read(self, folder: Path, span: FileSpan) -> Body:
        try:
            with LineReader(folder, self.files) as lines:
                return Body(lines.read(span.file, span.offset, span.length))
        except FileMissing as error:
            return Body(None, str(error))

    def _made(self, kind: str, span: FileSpan, body: Body) -> Document:
        if body.line is None:
            return missing_body(body.reason)
        key = (kind, span)
        if key not in self._documents:
            while len(self._documents) >= _MAX_KEPT:
                self._documents.pop(next(iter(self._documents)))
            self._documents[key] = _BUILDERS[kind](body.line)
        return self._documents[key]


def missing_body(reason: str) -> Document:
    """The document shown instead of a missing body."""
    builder = DocumentBuilder()
    builder.text(f"{GONE}\n\n{reason}" if reason else GONE)
    return builder.build()


def params_of(line: bytes) -> bytes:
    """The params of a spool line; the whole line if it has none."""
    return _part_of(line, "params")


def result_of(line: bytes) -> bytes:
    """The result of a results line; the whole line if it has none."""
    return _part_of(line, "result")


def _part_of(line: bytes, name: str) -> bytes:
    try:
        return bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])[name])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return line


def text_of(line: bytes) -> str | None:
    """The text of a succeeded result; None where there is none."""
    try:
        return text_of_message(message_of(line))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _build_payload(line: bytes) -> Document:
    builder = DocumentBuilder()
    builder.text(pretty(params_of(line)))
    return builder.build()


def _build_answer(line: bytes) -> Document:
    builder = DocumentBuilder()
    text = text_of(line)
    if text is not None:
        builder.heading("Text")
        builder.text(text)
        builder.heading("Full response")
    builder.text(pretty(result_of(line)))
    return builder.build()


_BUILDERS = {"payload": _build_payload, "answer": _build_answer}
