"""Request files in the shapes that tools and people write; no request is read wrongly."""

import gzip
import io
import json
import re
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import pyzstd
from support.builders import some_requests

from core.errors import InputError, PayloadError
from core.intake.dropped_params import DroppedParams
from core.intake.request_file import RequestFile
from core.requests.payload import Limits, to_line

HOSTILE = 'a "quoted" \\ é 😀 \u2028 }]{[ \n'
REQUESTS: list[dict[str, Any]] = [
    {"custom_id": f"row-{n}", "params": {"messages": [{"role": "user", "content": HOSTILE}]}}
    for n in range(3)
]
COMPACT = [json.dumps(request) for request in REQUESTS]
INDENTED = [json.dumps(request, indent=2, ensure_ascii=False) for request in REQUESTS]
# Text and the line where each request begins.
LAYOUTS: dict[str, tuple[str, list[int]]] = {
    "lines": ("\n".join(COMPACT), [1, 2, 3]),
    "blank lines between": ("\n \n\n".join(COMPACT) + "\n\n", [1, 4, 7]),
    "CRLF": ("\r\n".join(COMPACT) + "\r\n", [1, 2, 3]),
    "CR": ("\r".join(COMPACT), [1, 1, 1]),
    "joined": ("".join(COMPACT), [1, 1, 1]),
    "lines, then joined": (COMPACT[0] + "\n" + COMPACT[1] + COMPACT[2], [1, 2, 2]),
    "indented": ("\n".join(INDENTED), [1, 12, 23]),
    "array": (json.dumps(REQUESTS), [1, 1, 1]),
    "indented array": (json.dumps(REQUESTS, indent=1), [2, 13, 24]),
    "array of lines": ("[\n" + ",\n".join(COMPACT) + "\n]\n", [2, 3, 4]),
    "arrays": ("\n".join(f"[{line}]" for line in COMPACT), [1, 2, 3]),
    "body of the API": (json.dumps({"requests": REQUESTS}), [1, 1, 1]),
    "indented body": (json.dumps({"requests": REQUESTS}, indent=2), [3, 14, 25]),
    "bodies": ("\n".join(f'{{"requests": [{line}]}}' for line in COMPACT), [1, 2, 3]),
    "nothing": ("", []),
    "blanks": (" \r\n\t\n", []),
    "empty array": ("[ ]\n", []),
    "empty body": ('{"requests": []}', []),
}


class Pieces(io.RawIOBase):
    """A file that gives a few bytes at a time, as a slow pipe does."""

    def __init__(self, content: bytes, size: int) -> None:
        self.name = "in.jsonl"
        self._content = io.BytesIO(content)
        self._size = size

    def read(self, size: int = -1, /) -> bytes:
        return self._content.read(self._size if size < 0 else min(size, self._size))


def read(content: bytes, *, piece: int = 1 << 30) -> list[tuple[int, object]]:
    source = RequestFile(Pieces(content, piece))  # pyright: ignore[reportArgumentType]
    return [(source.line, request) for request in source]


def refusal(content: bytes | str) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        read(content if isinstance(content, bytes) else content.encode())
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_with_the_lines_of_its_requests(layout: str, encoding: str) -> None:
    text, lines = LAYOUTS[layout]
    expected = list(zip(lines, REQUESTS, strict=False))
    assert read(text.encode(encoding)) == expected
    assert read(text.encode(encoding), piece=7) == expected


@pytest.mark.parametrize("mark", [b"\xfe\xff", b"\xff\xfe"])
def test_the_mark_tells_the_byte_order(mark: bytes) -> None:
    encoding = "utf-16-be" if mark == b"\xfe\xff" else "utf-16-le"
    content = mark + "\r\n".join(COMPACT).encode(encoding)
    assert [request for _, request in read(content)] == REQUESTS


@pytest.mark.parametrize("compress", [gzip.compress, pyzstd.compress])
@pytest.mark.parametrize("layout", ["lines", "indented array", "nothing"])
def test_a_compressed_file_is_read_whatever_its_name(compress: Any, layout: str) -> None:
    text, lines = LAYOUTS[layout]
    content = compress(text.encode())
    assert [line for line, _ in read(content)] == lines
    assert [line for line, _ in read(content, piece=5)] == lines
    assert read(compress(text.encode("utf-16"))) == read(content)


def test_files_that_were_joined_are_read_to_the_end() -> None:
    two = gzip.compress(f"{COMPACT[0]}\n".encode()) + gzip.compress(COMPACT[1].encode())
    assert [request for _, request in read(two)] == REQUESTS[:2]
    marked = b"\n".join(b"\xef\xbb\xbf" + line.encode() for line in COMPACT)
    assert [request for _, request in read(marked)] == REQUESTS


@pytest.mark.parametrize("compress", [gzip.compress, pyzstd.compress])
def test_a_damaged_compressed_file_is_refused(compress: Any) -> None:
    whole = compress("\n".join(COMPACT).encode())
    assert "truncated" in str(refusal(whole[:-3]))
    assert "truncated" in str(refusal(whole[: len(whole) // 2]))
    assert "other data after" in str(refusal(whole + b"garbage"))
    assert refusal(whole[:20] + b"\xff" * 20 + whole[40:]).code == "file_damaged"


WRONG = {
    "an object without its end": (
        f'{{"custom_id": "a"\n{COMPACT[0]}',
        "line 2, column 1: not JSON: expecting ',' delimiter (the request begins in line 1).",
    ),
    "a string without its end": ('{"a": "b', "line 1, column 7: not JSON: the file ends inside"),
    "a line end in a string": ('{"a": "b\nc"}', "column 9: not JSON: a line end or another"),
    "no JSON": (
        "custom_id,prompt\na,b\n",
        "line 1, column 1: not JSON: expecting value, not 'custom_id,prompt'.",
    ),
    "a comma after an object": (f"{COMPACT[0]},\n", "not JSON: expecting value, not ','."),
    "a file that ends too early": (
        f"{COMPACT[0]}\n" + '{"a":',
        "expecting value, but the file ends",
    ),
    "a comma before the end": (f"[\n{COMPACT[0]},\n]", "line 3, column 1: not JSON"),
    "no comma": (f"[{COMPACT[0]}\n{COMPACT[1]}]", "line 2, column 1: ',' or ']' expected"),
    "an array without its end": (f"\n[{COMPACT[0]}", "in the array that begins in line 2."),
    "another key in the body": (
        f'{{"requests": [{COMPACT[0]}\n], "model": "m"}}',
        'line 2, column 2: expected "}": the API takes no key beside "requests".',
    ),
    "NaN": ('{"custom_id": "a", "messages": [NaN]}', "line 1, column 1: not JSON: NaN is not"),
    "a million brackets": ("[" * 1_000_000, "nested too deeply"),
    "a million objects": ('{"a":' * 1_000_000, "nested too deeply"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_json_is_refused_with_line_and_column(case: str) -> None:
    text, said = WRONG[case]
    error = refusal(text)
    assert said in str(error)
    assert str(error).startswith("in.jsonl line ")
    assert error.code == "not_json"


def test_wrong_bytes_are_refused_with_line_and_column() -> None:
    latin = "\n".join([COMPACT[0], '{"custom_id": "ä"}']).encode("latin-1", "replace")
    assert "in.jsonl line 2, column 16: not UTF-8, at the byte 0xe4" in str(refusal(latin))
    odd = "\n".join(COMPACT[:2]).encode("utf-16")[:-1]
    assert re.search("line 2, column [0-9]+: not UTF-16", str(refusal(odd)))
    lines = b"\n".join([b'{"custom_id": "a", "messages": []}'] * 20_000) + b"\n\xff"
    assert "line 20001, column 1: not UTF-8" in str(refusal(lines))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"PAR1rest", "is a Parquet file"),
        (b"\xfd7zXZ\0rest", "compressed with xz"),
    ],
)
def test_other_files_are_named(content: bytes, said: str) -> None:
    error = refusal(content)
    assert said in str(error)
    assert error.code == "file_format"


FOREIGN = {
    '{"custom_id": "q", "method": "POST", "url": "/v1/chat/completions", "body": {}}': "OpenAI",
    '{"custom_id": "q", "body": {"messages": []}}': "Mistral",
    '{"id": "b", "custom_id": "q", "response": {}, "error": null}': "a result of OpenAI",
    '{"recordId": "q", "modelInput": {"messages": []}}': "Amazon Bedrock",
    '{"recordId": "q", "modelInput": {}, "modelOutput": {}}': "a result of Amazon Bedrock",
    '{"custom_id": "q", "request": {"messages": []}}': "Vertex AI",
    '{"key": "q", "request": {"contents": []}}': "Gemini",
    '{"request": {"contents": []}}': "Gemini",
    '{"contents": []}': "Gemini",
    '{"custom_id": "q", "result": {"type": "errored"}}': "a result of the Message Batches API",
    '{"requests": [], "model": "m"}': "other keys",
}


@pytest.mark.parametrize("line", FOREIGN)
@pytest.mark.parametrize("layout", ["{}", "[{}]", "\n[\n{}]"])
def test_the_file_of_another_provider_is_named(line: str, layout: str) -> None:
    error = refusal(layout.replace("{}", line))
    assert FOREIGN[line] in str(error)
    assert (error.code, "line" in str(error)) == ("foreign_format", True)


def test_a_key_of_another_provider_in_a_request_is_left_to_the_validation() -> None:
    line = '{"custom_id": "a", "params": {}, "body": {}}'
    assert [request for _, request in read(line.encode())] == [json.loads(line)]


def peak_mb(content: Iterator[bytes]) -> float:
    """The most memory that reading takes, the file itself not counted."""

    class File(io.RawIOBase):
        name = "f"

        def read(self, size: int = -1, /) -> bytes:
            del size
            return next(content, b"")

    tracemalloc.start()
    try:
        for _ in RequestFile(File()):  # pyright: ignore[reportArgumentType]
            pass
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def of_lines(before: bytes, between: bytes, after: bytes, count: int) -> Iterator[bytes]:
    part = between.join([COMPACT[0].encode()] * 1_000)
    yield before
    for _ in range(count // 1_000):
        yield part + between
    yield COMPACT[0].encode() + after


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [(b"", b"\n", b""), (b"[", b",", b"]"), (b"", b"", b""), (b'{"requests": [', b",", b"]}")],
)
def test_a_large_file_takes_no_more_memory_whatever_its_layout(
    before: bytes, between: bytes, after: bytes
) -> None:
    assert peak_mb(of_lines(before, between, after, 20_000)) < 8


def test_a_large_request_is_in_memory_no_more_often_than_its_checks_need() -> None:
    size = 16_000_000
    content = b'{"custom_id":"a","max_tokens":9,"messages":[{"role":"user","content":"%b"}]}\n'
    file = io.BytesIO(content % (b"x" * size))
    tracemalloc.start()
    try:
        for request in RequestFile(file):
            to_line(request, position=1, model="claude-haiku-4-5", betas=(), limits=Limits())
        assert tracemalloc.get_traced_memory()[1] < 3.7 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("blank", [b"\n", b" "])
def test_a_gzip_bomb_of_blanks_ends_in_bounded_memory(
    blank: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.intake.request_file._LONGEST", 5_000_000)
    bomb = gzip.compress(blank * 20_000_000)
    with pytest.raises(PayloadError, match="blanks in a row"):
        peak_mb(iter([bomb]))


def test_a_request_that_no_batch_can_hold_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.intake.request_file._LONGEST", 3_000_000)
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(b'{"custom_id": "a", "messages": "') + packer.compress(b"x" * 50_000_000)
    error = refusal(bomb + packer.flush())
    assert "larger than 3,000,000" in str(error)
    assert refusal(b'[{"a": "' + b"x" * 20_000_000).code == "not_json"


def test_parameters_are_dropped_and_counted() -> None:
    flat, inner = {"custom_id": "a", "top_p": 1, "x": 2}, {"temperature": 0, "top_p": 1}
    drop = DroppedParams(["top_p", " temperature", "", "never"])
    found = list(drop.remove_from([flat, {"custom_id": "b", "params": inner}, "no request"]))
    assert found == [{"custom_id": "a", "x": 2}, {"custom_id": "b", "params": {}}, "no request"]
    assert drop.counts == {"top_p": 2, "temperature": 1, "never": 0}
    with pytest.raises(InputError, match="messages"):
        DroppedParams(["messages"])


def test_without_names_nothing_changes() -> None:
    requests = some_requests(2)
    assert list(DroppedParams([""]).remove_from(requests)) == requests
