"""Turns requests of a Python program into plain JSON values, as the SDK does for its own calls.

Accepted: objects of the SDK, other mappings and sequences, iterators, and for images and documents
a `pathlib.Path` or an open file. What has no order or no exact JSON is refused with its position.
"""

import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from pathlib import Path
from typing import IO, NoReturn, cast

from core.errors import PayloadError
from core.requests.media_type import base64_source, media_type

# More than the API takes of a document.
_LONGEST_FILE = 32_000_000
_WITH_FILES = ("image", "document")
_ABSENT = ("NotGiven", "Omit")


def plain_requests(requests: Iterable[object]) -> list[object]:
    """The requests as dictionaries, lists, texts and numbers. Raises PayloadError."""
    return [
        request if _is_plain(request) else _plain_request(request, position)
        for position, request in enumerate(requests, 1)
    ]


def _plain_request(request: object, position: int) -> object:
    custom_id = _fields(request).get("custom_id")
    named = f"Request '{custom_id}'" if isinstance(custom_id, str) else f"Request {position}"
    try:
        return _plain(request, "")
    except _Refused as refused:
        at, why = refused.args
        message = f"{named}: {at}: {why}." if at else f"{named}: {why}."
        raise PayloadError(message, code="not_json") from refused
    except RecursionError:
        message = f"{named} is nested too deeply, or contains itself."
        raise PayloadError(message, code="not_json") from None


class _Refused(Exception):
    """Where, and why."""


def _is_plain(value: object) -> bool:
    """Whether nothing has to change: quick, for most requests are plain."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return True
    if kind is float:
        return math.isfinite(cast("float", value))
    try:
        if kind is dict:
            fields = cast("dict[object, object]", value)
            return all(type(key) is str and _is_plain(inner) for key, inner in fields.items())
        return kind is list and all(map(_is_plain, cast("list[object]", value)))
    except RecursionError:
        return False


def _plain(value: object, at: str) -> object:
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _refuse(at, f"{value} is not a JSON number")
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value), at)
    _check(value, at)
    if isinstance(value, Sequence | Iterator | MappingView):
        items = cast("Iterable[object]", value)
        return [_plain(item, f"{at}[{number}]") for number, item in enumerate(items)]
    dump: Callable[..., object] | None = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return _plain(dump(mode="json", by_alias=True, exclude_unset=True), at)
    # A date or a record, which the encoder knows, or something that it refuses.
    return value


def _check(value: object, at: str) -> None:
    """Raise _Refused for what JSON cannot hold, or only with another meaning."""
    if isinstance(value, bytes | bytearray | memoryview):
        _refuse(at, "bytes; pass a string, or the Path of an image or document as its source")
    if isinstance(value, AbstractSet) and not isinstance(value, MappingView):
        _refuse(at, "a set has no order; pass a list")
    if isinstance(value, Decimal):
        _refuse(at, "a Decimal; pass a float or a string")
    if isinstance(value, os.PathLike | io.IOBase):
        _refuse(at, "a file is read only as the source of an image or a document")


def _object(fields: Mapping[object, object], at: str) -> dict[str, object]:
    has_file = fields.get("type") in _WITH_FILES
    plain: dict[str, object] = {}
    for key, value in fields.items():
        if not isinstance(key, str):
            _refuse(at, f"the key {key!r:.40} is not a string")
        if type(value).__name__ in _ABSENT and type(value).__module__.startswith("anthropic"):
            continue
        inner = f"{at}.{key}" if at else key
        is_source = has_file and key == "source"
        plain[key] = _source(fields["type"], value, inner) if is_source else _plain(value, inner)
    return plain


def _source(kind: object, value: object, at: str) -> object:
    """The source of an image or document; a file is read here."""
    if _is_file(value):
        return _from_content(kind, _read(value, at), at)
    fields = _fields(value)
    data = fields.get("data")
    if fields.get("type") != "base64" or not _is_file(data):
        return _plain(value, at)
    content = _read(data, f"{at}.data")
    kind = fields.get("media_type") or media_type(content)
    if kind is None:
        _refuse(at, "media_type is missing, and the content is of no known kind")
    rest = _plain({name: one for name, one in fields.items() if name != "data"}, at)
    return {**cast("dict[str, object]", rest), **base64_source(content, kind)}


def _from_content(kind: object, content: bytes, at: str) -> dict[str, object]:
    found = media_type(content)
    if found is None and kind == "document":
        try:
            return {"type": "text", "media_type": "text/plain", "data": content.decode("utf-8-sig")}
        except UnicodeDecodeError:
            _refuse(at, "the document is neither a PDF nor text in UTF-8")
    if found is None or found.startswith("image/") is not (kind == "image"):
        _refuse(at, f"not {'an image (JPEG, PNG, GIF, WebP)' if kind == 'image' else 'a PDF'}")
    return base64_source(content, found)


def _fields(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _is_file(value: object) -> bool:
    return isinstance(value, Path | io.IOBase)


def _read(file: object, at: str) -> bytes:
    """The content of a path or an open file, which is not closed."""
    try:
        if isinstance(file, Path):
            with file.open("rb") as opened:
                content: bytes | str = opened.read(_LONGEST_FILE + 1)
        else:
            content = cast("IO[bytes] | IO[str]", file).read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        _refuse(at, f"the file cannot be read: {error}")
    found = content.encode() if isinstance(content, str) else content
    if len(found) > _LONGEST_FILE:
        _refuse(at, f"the file is larger than {_LONGEST_FILE // 1_000_000} MB")
    return found


def _refuse(at: str, why: str) -> NoReturn:
    raise _Refused(at, why)
