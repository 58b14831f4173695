"""Reads the requests of a file, as a stream: the content decides the format, not the name.

JSON Lines, JSON arrays, pretty-printed or concatenated objects, the API's `{"requests": […]}`; in
UTF-8, or in UTF-16 or UTF-32 with a byte order mark; plain, gzip or zstd. One request is in memory
at a time, in any of them.
"""

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, NoReturn, Protocol, cast

import msgspec

from core.errors import PayloadError
from core.intake.foreign_requests import check_format, is_request

_CHUNK = 1 << 18
# Of one request. More than the API takes in a batch.
_LONGEST = 256_000_000
# A line this long may be a whole file.
_LONG_LINE = 1 << 20
# An error so close to the end of the text may go away with more text.
_END = 64
_BLANK = re.compile("[ \t\r\n\ufeff]*")
_BODY = re.compile(r'\{[ \t\r\n]*"requests"[ \t\r\n]*:[ \t\r\n]*\[')
_BODY_HEAD = 1024
# UTF-32 before UTF-16, whose mark it begins with.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PARQUET = b"PAR1"
_OTHER_FILES = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
    _PARQUET: "a Parquet file",
    b"SQLite": "an SQLite database",
    b"%PDF": "a PDF",
}
_HEAD = 6
_NO_VALUE = "Expecting value"
_SHOWN = 16
_TABLE_NAMES = (".csv", ".tsv")
_TABLES = "To ask about each row of a table, use titan-console run"
_JSON_ERRORS = {
    "Invalid control character at": "a line end or another control character inside a string",
    "Unterminated string starting at": "the file ends inside the string that begins here",
}


class RequestFile:
    """The requests of a file, to be read once. `line` is where the last one begins, from 1."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read nothing yet."""
        self.name = str(getattr(file, "name", "<stdin>"))
        self.line = 0
        self._file = file

    def __iter__(self) -> Iterator[object]:
        """Each request, decoded and not validated.

        Raises PayloadError, which names the line, for what is not JSON, cannot be decompressed,
        or is the batch file of another provider.
        """
        for line, value in _values(self._file, self.name):
            self.line = line
            if is_request(value):
                yield value
                continue
            for request in _requests_in(value):
                if not is_request(request):
                    check_format(request, f"{self.name} line {self.line}")
                yield request

    @contextmanager
    def naming_lines(self) -> Generator[None, None, None]:
        """Add the line to an error about the request that was read last."""
        try:
            yield
        except PayloadError as error:
            if error.code == "no_requests":
                raise PayloadError(f"{self.name} has no requests.", code=error.code) from error
            if error.position is None:
                raise
            message = f"{self.name} line {self.line}: {error}"
            raise PayloadError(message, code=error.code) from error


def _requests_in(value: object) -> Iterable[object]:
    """The elements of an array or of the API's body, else the value itself."""
    if type(value) is dict and "requests" in value and "custom_id" not in value:
        inner = value["requests"]  # pyright: ignore[reportUnknownVariableType]
        if len(value) == 1 and isinstance(inner, list):  # pyright: ignore[reportUnknownArgumentType]
            return inner  # pyright: ignore[reportUnknownVariableType]
    return value if isinstance(value, list) else (value,)  # pyright: ignore[reportUnknownVariableType]


def _values(file: IO[bytes], name: str) -> Iterator[tuple[int, object]]:
    """Each JSON value that is no array, and the elements of arrays, with their lines."""
    chunks = _decompressed(file, name)
    first = next(chunks, b"")
    encoding = next((found for mark, found in _MARKS if first.startswith(mark)), "")
    rest = _Rest(first, chunks)
    if not encoding:
        _check_kind(first, name)
        rest.text = first.removeprefix(codecs.BOM_UTF8)
        yield from _lines(rest)
    if rest.text:
        yield from _Text(rest, encoding or "utf-8", name).values()


class _Rest:
    """The bytes that are not read yet, and the number of their first line."""

    def __init__(self, text: bytes, chunks: Iterator[bytes]) -> None:
        self.text = text
        self.chunks = chunks
        self.line = 1


def _lines(rest: _Rest) -> Iterator[tuple[int, object]]:
    """The value on each line, up to a line that is not one: that and all after it is left."""
    longest, is_more = _LONG_LINE, bool(rest.text)
    # A chunk of nothing but blanks is left too: who reads it counts them.
    while rest.text and not rest.text.isspace():
        *lines, last = rest.text.split(b"\n")
        # A line may have 250 MB: nothing keeps it while its request is worked on, as `enumerate`
        # would.
        rest.text = b""
        for at in range(len(lines)):
            try:
                value: object = msgspec.json.decode(lines[at])
            except (msgspec.DecodeError, RecursionError):
                if lines[at].strip():
                    rest.text = b"\n".join((*lines[at:], last) if is_more else lines[at:])
                    return
            else:
                lines[at] = b""
                yield rest.line, value
                del value
            rest.line += 1
        rest.text = last
        longest = _LONG_LINE if lines else longest
        if len(last) > longest:
            if _is_more_than_a_line(last):
                return
            longest = 2 * len(last)
        del lines, last
        more = _take(rest.chunks, len(rest.text))
        is_more = bool(more)
        rest.text += more or b"\n"
        del more


def _take(chunks: Iterator[bytes], least: int) -> bytes:
    """At least so many bytes, and some; fewer at the end, none after it."""
    taken: list[bytes] = []
    size = 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= least:
            break
    return b"".join(taken) if len(taken) != 1 else taken[0]


def _is_more_than_a_line(begun: bytes) -> bool:
    """Whether a line that has begun holds several requests, or is too long for one."""
    if len(begun) > _LONGEST or not begun.lstrip().startswith(b"{"):
        return True
    text = begun.decode("utf-8", "replace")
    if _BODY.match(text):
        return True
    try:
        json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Text:
    """Reads value after value from text of any layout, and knows line and column."""

    def __init__(self, rest: _Rest, encoding: str, name: str) -> None:
        self._name = name
        self._chunks = rest.chunks
        self._bytes = rest.text
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding.upper()
        # What is kept of the text, where the next value begins, and up to where lines are counted.
        self._text, self._at, self._counted = "", 0, 0
        # The line of `_counted`, from 1, and the column where the text begins, from 0.
        self._line, self._column = rest.line, 0
        self._is_end = False
        self._json = json.JSONDecoder(parse_constant=_reject_constant)

    def values(self) -> Iterator[tuple[int, object]]:
        """Each value, with the line where it begins."""
        while char := self._next():
            if char == "[":
                yield from self._elements()
            elif body := self._body():
                self._at = body - 1
                yield from self._elements()
                if self._next() != "}":
                    self._fail(self._at, 'expected "}": the API takes no key beside "requests"')
                self._at += 1
            else:
                yield self._value()

    def _body(self) -> int:
        """The end of `{"requests": [`; 0 where it does not stand here."""
        while len(self._text) - self._at < _BODY_HEAD and self._more():
            pass
        found = _BODY.match(self._text, self._at)
        return found.end() if found else 0

    def _elements(self) -> Iterator[tuple[int, object]]:
        begun = self._line_at(self._at)
        self._at += 1
        char = self._next()
        while char != "]":
            yield self._value()
            char = self._next()
            if char not in (",", "]"):
                what = "',' or ']' expected" if char else "the file ends too early"
                self._fail(self._at, f"{what}, in the array that begins in line {begun}")
            if char == ",":
                self._at += 1
                self._next()
        self._at += 1

    def _next(self) -> str:
        """The next character that is not blank; empty at the end of the file."""
        blank = 0
        while True:
            found = _BLANK.match(self._text, self._at)
            end = found.end() if found else self._at
            blank += end - self._at
            self._at = end
            if self._at < len(self._text):
                return self._text[self._at]
            if blank > _LONGEST:
                self._fail(self._at, f"more than {_LONGEST:,} blanks in a row")
            if not self._more():
                return ""

    def _value(self) -> tuple[int, object]:
        """The value that begins here; reads on while it may only be incomplete."""
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                self._fail(self._at, "not JSON: nested too deeply")
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or len(self._text) - error.pos < _END
                if len(self._text) - self._at > _LONGEST:
                    self._fail(self._at, f"larger than {_LONGEST:,}, the limit of a whole batch")
                if not cut or not self._more():
                    self._fail_json(error)
            except ValueError as error:
                self._fail(self._at, f"not JSON: {error}")
            else:
                self._line, self._counted = self._line_at(self._at), self._at
                self._at = end
                return self._line, value

    def _more(self) -> bool:
        """Forget what was read and read on: as much again as is left. False at the end."""
        if self._is_end:
            return False
        self._column = self._column_at(self._at)
        self._line = self._line_at(self._at)
        self._text, self._at, self._counted = self._text[self._at :], 0, 0
        added = self._bytes or _take(self._chunks, len(self._text))
        self._bytes = b""
        self._is_end = not added
        try:
            self._text += self._decoder.decode(added, final=self._is_end)
        except UnicodeDecodeError as error:
            self._fail_encoding(error)
        return True

    def _line_at(self, at: int) -> int:
        return self._line + self._text.count("\n", self._counted, at)

    def _column_at(self, at: int) -> int:
        """Counted from 0."""
        last = self._text.rfind("\n", 0, at)
        return self._column + at if last < 0 else at - last - 1

    def _fail_json(self, error: json.JSONDecodeError) -> NoReturn:
        begun = self._line_at(self._at)
        of = f" (the request begins in line {begun})" if self._line_at(error.pos) > begun else ""
        what = _JSON_ERRORS.get(error.msg, error.msg.lower())
        if error.msg == _NO_VALUE:
            words = self._text[error.pos : error.pos + _SHOWN].split(maxsplit=1)
            what += f", not {words[0]!r}" if words else ", but the file ends here"
        table = f". {_TABLES}" if self._name.lower().endswith(_TABLE_NAMES) else ""
        self._fail(error.pos, f"not JSON: {what}{of}{table}")

    def _fail_encoding(self, error: UnicodeDecodeError) -> NoReturn:
        bad: Any = error.object
        self._text += bad[: error.start].decode(error.encoding, "replace")
        what = f"not {self._encoding}, at the byte 0x{bad[error.start]:02x}: save the file as UTF-8"
        self._fail(len(self._text), what)

    def _fail(self, at: int, what: str) -> NoReturn:
        place = f"line {self._line_at(at)}, column {self._column_at(at) + 1}"
        message = f"{self._name} {place}: {what}."
        raise PayloadError(message, code="not_json")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Rejoined(io.BufferedIOBase):
    """A file whose first bytes were read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = head
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        end = None if size is None or size < 0 else size
        head, self._head = self._head[:end], b"" if end is None else self._head[end:]
        return head or self._file.read(-1 if end is None else end)


def _decompressed(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The content of the file in pieces. Raises PayloadError for damaged or truncated data."""
    head = file.read(_HEAD)
    joined = _Rejoined(head, file)
    if head.startswith(_GZIP):
        unpacked, error_types = gzip.GzipFile(fileobj=joined), (zlib.error, gzip.BadGzipFile)
    elif head.startswith(_ZSTD):
        unpacked, error_types = _zstd(joined, name)
    else:
        unpacked, error_types = joined, ()
    try:
        while chunk := unpacked.read(_CHUNK):
            yield chunk
    except EOFError:
        message = f"{name} is truncated: its compressed data ends too early."
        raise PayloadError(message, code="file_damaged") from None
    except error_types as error:
        message = f"{name} is damaged or has other data after its compressed data: {error}."
        raise PayloadError(message, code="file_damaged") from error


def _zstd(file: _Rejoined, name: str) -> tuple[_Readable, tuple[type[Exception], ...]]:
    """The unpacked file, and the error of damaged data."""
    try:
        import pyzstd  # noqa: PLC0415 - 20 ms, and few files need it
    except ImportError:
        message = f"{name} is compressed with zstd: run `pip install pyzstd`, or unpack it first."
        raise PayloadError(message, code="file_format") from None
    return pyzstd.ZstdFile(cast("BinaryIO", file), "rb"), (pyzstd.ZstdError,)


def _check_kind(head: bytes, name: str) -> None:
    """Raise PayloadError for what can be told to be no JSON from its first bytes."""
    for magic, kind in _OTHER_FILES.items():
        if head.startswith(magic):
            raise PayloadError(
                f"{name} is {kind}. {_TABLES}."
                if magic == _PARQUET
                else f"{name} is {kind}. Pass JSON; it may be compressed with gzip or zstd.",
                code="file_format",
            )
    if b"\0" in head[:_HEAD]:
        raise PayloadError(
            f"{name} is binary, or UTF-16 without a byte order mark. Save it as UTF-8.",
            code="file_format",
        )
