"""What `titan_batch.submit` takes of Python objects: what the SDK takes, and the rest refused."""

import base64
import io
import json
from collections import UserDict, deque
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from anthropic import NOT_GIVEN
from anthropic.types import Message, TextBlock, ToolUseBlock, Usage
from support.builders import a_request

import titan_batch
from core.errors import PayloadError
from core.intake.python_input import plain_requests

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
PDF = b"%PDF-1.7\n"


def with_block(**block: Any) -> dict[str, Any]:
    return a_request("a", messages=[{"role": "user", "content": [{"type": "text"}, block]}])


def source_of(**block: Any) -> Any:
    request: Any = plain_requests([with_block(**block)])[0]
    return request["messages"][0]["content"][1]["source"]


def refusal(request: object) -> str:
    with pytest.raises(PayloadError) as caught:
        plain_requests([a_request("good"), request])
    assert caught.value.code == "not_json"
    return str(caught.value)


def test_plain_requests_are_not_copied() -> None:
    request = a_request("a", metadata={"user_id": None}, system=[{"type": "text", "text": "x"}])
    assert plain_requests([request])[0] is request


def test_objects_of_the_sdk_are_what_the_sdk_sends() -> None:
    answer = Message(
        id="msg_1",
        content=[
            TextBlock(type="text", text="Hm"),
            ToolUseBlock(type="tool_use", id="t", name="look", input={"a": [1]}),
        ],
        model="claude-haiku-4-5",
        role="assistant",
        stop_reason="tool_use",
        type="message",
        usage=Usage(input_tokens=1, output_tokens=1),
    )
    turn = {"role": "assistant", "content": answer.content}
    (found,) = plain_requests([a_request("a", messages=[turn], system=NOT_GIVEN)])
    assert found == a_request(
        "a",
        messages=[
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Hm"},
                    {"type": "tool_use", "id": "t", "name": "look", "input": {"a": [1]}},
                ],
            }
        ],
    )


@pytest.mark.parametrize(
    "messages",
    [
        ({"role": "user", "content": "Hi"},),
        deque([{"role": "user", "content": "Hi"}]),
        iter([UserDict({"role": "user", "content": "Hi"})]),
        ({"role": role, "content": "Hi"} for role in ["user"]),
        {"x": MappingProxyType({"role": "user", "content": "Hi"})}.values(),
    ],
)
def test_what_can_be_listed_is_a_list(messages: Any) -> None:
    expected = a_request("a", messages=[{"role": "user", "content": "Hi"}])
    assert plain_requests([a_request("a", messages=messages)]) == [expected]


@pytest.mark.parametrize(
    ("kind", "content", "media_type"),
    [
        ("image", PNG, "image/png"),
        ("image", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("image", b"GIF89a", "image/gif"),
        ("image", WEBP, "image/webp"),
        ("document", PDF, "application/pdf"),
    ],
)
def test_a_path_or_open_file_becomes_a_source(
    tmp_path: Path, kind: str, content: bytes, media_type: str
) -> None:
    path = tmp_path / "any name"
    path.write_bytes(content)
    data = base64.b64encode(content).decode()
    expected = {"type": "base64", "media_type": media_type, "data": data}
    assert source_of(type=kind, source=path) == expected
    assert source_of(type=kind, source=io.BytesIO(content)) == expected
    with path.open("rb") as file:
        assert source_of(type=kind, source={"type": "base64", "data": file}) == expected
    given = {"type": "base64", "media_type": "image/x", "data": path}
    assert source_of(type=kind, source=given) == {**expected, "media_type": "image/x"}


def test_a_text_file_is_a_document_of_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("\ufeffNotes: é", "utf-8")
    expected = {"type": "text", "media_type": "text/plain", "data": "Notes: é"}
    assert source_of(type="document", source=path) == expected
    assert source_of(type="document", source=io.StringIO("Notes: é")) == expected


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
REFUSED: dict[str, tuple[Any, str]] = {
    "bytes": (a_request("a", messages=[{"role": "user", "content": b"x"}]), "messages[0].content:"),
    "bytes of an image": (
        with_block(type="image", source={"type": "base64", "data": PNG}),
        "Request 'a': messages[0].content[1].source.data: bytes; pass a string",
    ),
    "a set": (a_request("a", stop_sequences={"x"}), "stop_sequences: a set has no order"),
    "a frozenset": (a_request("a", stop_sequences=frozenset("x")), "stop_sequences: a set"),
    "NaN": (a_request("a", metadata={"x": [1.0, float("nan")]}), "metadata.x[1]: nan is not a"),
    "infinity": (a_request("a", x=float("inf")), "x: inf is not a JSON number"),
    "a key": (a_request("a", metadata={5: "x"}), "metadata: the key 5 is not a string"),
    "a Decimal": (a_request("a", x=Decimal(1)), "x: a Decimal; pass a float or a string"),
    "a path elsewhere": (a_request("a", system=Path("x")), "system: a file is read only as"),
    "a cycle": (a_request("a", x=CYCLE), "nested too deeply, or contains itself"),
    "no custom_id": ({"x": b""}, "Request 2: x: bytes"),
    "a file that is not there": (
        with_block(type="image", source=Path("/no/such/file")),
        "messages[0].content[1].source: the file cannot be read",
    ),
    "no image": (with_block(type="image", source=io.BytesIO(PDF)), "source: not an image (JPEG"),
    "no document": (with_block(type="document", source=io.BytesIO(PNG)), "source: not a PDF"),
    "no text": (with_block(type="document", source=io.BytesIO(b"\xff\xfe\xfa")), "nor text in UTF"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_does_not_hold_is_refused_with_its_position(case: str) -> None:
    request, said = REFUSED[case]
    assert said in refusal(request)


def test_a_large_file_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.intake.python_input._LONGEST_FILE", 1_000_000)
    file = io.BytesIO(PNG + bytes(5_000_000))
    assert "larger than 1 MB" in refusal(with_block(type="image", source=file))
    assert file.tell() == 1_000_001


def test_submit_stores_what_the_sdk_would_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    blocks = (TextBlock(type="text", text="Hi"), {"type": "image", "source": io.BytesIO(PNG)})
    request = a_request("a", messages=iter([{"role": "user", "content": blocks}]))
    titan_batch.submit([request], tag="t")
    (spooled,) = (tmp_path / "spool").glob("*.jsonl")
    content = json.loads(spooled.read_text("utf-8"))["params"]["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "Hi"}
    assert content[1]["source"]["media_type"] == "image/png"
    with pytest.raises(PayloadError, match=r"stop_sequences: a set has no order"):
        titan_batch.submit([a_request("b", stop_sequences={"x"})], tag="u")
