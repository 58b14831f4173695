"""Reads JSON lines: one object a row."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from core.errors import InputError
from core.tables.source import Form, Row, file_fingerprint
from state.files.regular_file import open_regular

_decode = msgspec.json.Decoder().decode


class JsonlSource:
    """A file with one JSON object on each line; blank lines are left out."""

    form = Form.JSONL
    columns = None

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self.path = path
        self.name = str(path)

    def read(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """The object of each line."""
        del only
        with open_regular(self.path) as file:
            for number, line in enumerate(file, 1):
                text = line.strip().removeprefix(b"\xef\xbb\xbf")
                if text:
                    yield Row(number, self._object(number, text), text)

    def place(self, row: Row) -> str:
        """The file and the line."""
        return f"{self.name} line {row.number}"

    def fingerprint(self) -> object:
        """Of the file."""
        return file_fingerprint(self.path)

    def _object(self, number: int, text: bytes) -> dict[str, object]:
        try:
            value: Any = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(
                f"{self.name} line {number} is not JSON: {error}.", code="not_json"
            ) from error
        if not isinstance(value, dict):
            raise InputError(
                f"{self.name} line {number} is not an object: each line is one row, such as"
                ' {"id": 1, "text": "…"}.',
                code="not_json",
            )
        return cast("dict[str, object]", value)
