"""Counts the tokens of a request by its size, and splits them into cached and uncached."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from core.requests.json_access import as_dict, as_list, as_str
from titan_console.sandbox.model.ids import digest

CHARACTERS_PER_TOKEN = 4
_MEDIA_CHARACTERS = 6_000  # about 1,500 tokens for an image or a page
_OVERHEAD = 32


@dataclass(frozen=True)
class Measure:
    """The size of one request, in tokens."""

    total: int
    cached: int = 0
    cache_key: int = 0
    hour: bool = False


def tokens(characters: int) -> int:
    """The number of tokens of a text of this size."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def blocks(params: dict[str, object]) -> Iterator[object]:
    """Everything that the model reads, in the order in which a cache sees it."""
    yield from as_list(params.get("tools"))
    yield from _content(params.get("system"))
    for message in as_list(params.get("messages")):
        yield from _content(as_dict(message).get("content"))


def measure(params: dict[str, object], *, minimum: int) -> Measure:
    """Size the request; a marked prefix under the model's minimum is ignored, as by the API."""
    characters, marked, hour = _OVERHEAD, 0, False
    prefix: list[object] = []
    read: list[object] = []
    for block in blocks(params):
        characters += _size(block)
        read.append(block)
        control = as_dict(as_dict(block).get("cache_control"))
        if control:
            marked, hour, prefix = characters, as_str(control.get("ttl")) == "1h", list(read)
    control = as_dict(params.get("cache_control"))
    if control:
        marked, hour, prefix = characters, as_str(control.get("ttl")) == "1h", read
    total, cached = tokens(characters), tokens(marked)
    if not marked or cached < minimum:
        return Measure(total)
    return Measure(total, cached, digest(msgspec.json.encode(prefix)), hour)


def _content(content: object) -> list[object]:
    """The blocks of a content that may also be plain text."""
    return [content] if isinstance(content, str) else as_list(content)


def _size(block: object) -> int:
    """The characters of one block."""
    if isinstance(block, str):
        return len(block)
    fields = as_dict(block)
    if as_str(fields.get("type")) in {"image", "document"}:
        return _MEDIA_CHARACTERS
    text = fields.get("text")
    return len(text) if isinstance(text, str) else len(msgspec.json.encode(block))
