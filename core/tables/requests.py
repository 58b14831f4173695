"""Makes the request of a row."""

import hashlib
from typing import NamedTuple

import msgspec
from msgspec import Struct

from core.errors import InputError
from core.requests.seen_ids import SeenIds
from core.tables.attachment import block
from core.tables.folder_source import FolderSource
from core.tables.source import Row, Source
from core.tables.template import Template

#: max_tokens of a request unless it is given.
MAX_TOKENS = 1024
# The API's limit of one request.
_LARGEST = 32_000_000
#: The bytes of a row's id.
ID_BYTES = 16
_encode = msgspec.json.Encoder().encode


class Request(NamedTuple):
    """The request of a row, and its params as JSON, which identify it."""

    params: dict[str, object]
    encoded: bytes


class RequestBuilder(Struct, frozen=True, kw_only=True):
    """What the requests of a table share.

    `schema` is the output schema that `submit` adds, as JSON.
    """

    source: Source
    template: Template
    model: str
    max_tokens: int = MAX_TOKENS
    system: str | None = None
    schema: bytes = b""

    def check(self) -> None:
        """Raise InputError for a template that does not fit the columns."""
        if self.source.columns is not None:
            self.template.check(self.source.columns, self.source.name)

    def build(self, row: Row) -> Request:
        """The request of a row. Raises InputError, which names the row."""
        try:
            prompt = self.template.render(row.values)
        except KeyError:
            self.template.check(row.values, self.source.place(row))
            raise
        self._check_prompt(row, prompt)
        params: dict[str, object] = {"model": self.model, "max_tokens": self.max_tokens}
        if self.system:
            params["system"] = self.system
        params["messages"] = [{"role": "user", "content": self._content(row, prompt)}]
        try:
            encoded = _encode(params)
        except UnicodeEncodeError:
            raise InputError(
                f"{self.source.place(row)} has characters that are not Unicode."
            ) from None
        if len(encoded) > _LARGEST:
            raise InputError(
                f"{self.source.place(row)}: the request is {len(encoded):,} bytes; the API takes at"
                f" most {_LARGEST:,}.",
                code="request_too_large",
            )
        return Request(params, encoded + self.schema)

    def _content(self, row: Row, prompt: str) -> object:
        if row.attachment is None:
            return prompt
        attached = block(row.attachment, self.source.place(row))
        return [attached, {"type": "text", "text": prompt}]

    def _check_prompt(self, row: Row, prompt: str) -> None:
        if not prompt.strip():
            raise InputError(f"{self.source.place(row)}: the prompt is empty.")
        if row.attachment is not None:
            return
        if not self.template.columns:
            raise InputError(
                f"{self.template.name} has no {{column}}: every row would ask the same. Columns:"
                f" {', '.join(row.values)}."
            )
        if isinstance(self.source, FolderSource) and "text" not in self.template.columns:
            raise InputError(
                f"{self.template.name} has no {{text}}: {self.source.place(row)} would not be sent."
            )


class RowIds:
    """The ids of rows, from the content of their requests: a row may move and keeps its id.

    Equal rows have one id; without `dedup`, the n-th equal row has its own.
    """

    def __init__(self, *, dedup: bool = True) -> None:
        """No row is seen yet."""
        self._seen = SeenIds()
        self._repeats: dict[bytes, int] | None = None if dedup else {}

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self._seen)

    def add(self, encoded: bytes, position: int) -> tuple[bytes, bool]:
        """The id of a row, as bytes, and whether it is new."""
        made = _digest(encoded)
        if not self._seen.add(made.hex(), position):
            return made, True
        if self._repeats is None:
            return made, False
        number = self._repeats[made] = self._repeats.get(made, 1) + 1
        made = _digest(b"%b#%d" % (encoded, number))
        return made, not self._seen.add(made.hex(), position)


def _digest(encoded: bytes) -> bytes:
    return hashlib.sha256(encoded).digest()[:ID_BYTES]
