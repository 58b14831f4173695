"""Parses one line of a batch's results, and only the fields that the ledger needs.

Each line is decoded strictly. A line that the strict decoder rejects is decoded leniently, since it
may be billed. The usage is parsed by `usage_schema`.
"""

import json
import re
from typing import Any, cast

import msgspec

from core.api import lenient_json
from core.api.line_splitter import LongLine
from core.api.usage_schema import read_usage
from core.text import sanitize
from state.model.records import CollectedResult, Outcome

_NULL = msgspec.Raw(b"null")
_MESSAGE_LIMIT = 2000
_HEAD = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*"([\w-]{1,64})"')


class Message(msgspec.Struct, gc=False):
    """The fields of a message that the ledger needs; None where the API's value is unusable."""

    model: str | None
    usage: msgspec.Raw = _NULL
    stop_reason: str | None = None


class Succeeded(msgspec.Struct, tag="succeeded", gc=False):
    """A succeeded request, which is billed."""

    message: Message


class _Errored(msgspec.Struct, tag="errored", gc=False):
    error: msgspec.Raw


class _Canceled(msgspec.Struct, tag="canceled", gc=False):
    pass


class _Expired(msgspec.Struct, tag="expired", gc=False):
    pass


class ResultLine(msgspec.Struct, gc=False):
    """One line of the results."""

    custom_id: str
    result: Succeeded | _Errored | _Canceled | _Expired


class _Shape(msgspec.Struct, gc=False):
    """The minimum that a line must have: a request and its outcome."""

    custom_id: str
    result: dict[str, Any]


class _Named(msgspec.Struct, gc=False):
    custom_id: str


_decoder = msgspec.json.Decoder(ResultLine)
_named = msgspec.json.Decoder(_Named)


class BadLineError(ValueError):
    """A line that is not a valid result."""


def decode(line: bytes) -> CollectedResult:
    """The result, with the custom_id as sent. Raises BadLineError."""
    return as_collected(parse(line))


def parse(line: bytes) -> ResultLine:
    """The line as a struct. Raises BadLineError."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _parse_leniently(line)


def custom_id_of(line: bytes) -> str | None:
    """The custom_id of a line, even where the rest cannot be parsed."""
    if isinstance(line, LongLine):
        head = _HEAD.match(line)
        return head[1].decode() if head else None
    try:
        return _named.decode(line).custom_id
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _parse_leniently(line: bytes) -> ResultLine:
    try:
        found = msgspec.convert(lenient_json.load(line), _Shape)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadLineError(str(error)) from error
    return ResultLine(custom_id=found.custom_id, result=_result_of(found.result))


def _result_of(result: dict[str, Any]) -> Succeeded | _Errored | _Canceled | _Expired:
    """A message is an answer whatever its type; without one, an unknown type is an error."""
    kind, message = result.get("type"), result.get("message")
    match kind:
        case "errored":
            return _Errored(error=msgspec.Raw(msgspec.json.encode(result.get("error"))))
        case "canceled":
            return _Canceled()
        case "expired":
            return _Expired()
        case str() if isinstance(message, dict):
            return Succeeded(message=_message_of(cast("dict[str, Any]", message)))
        case "succeeded":
            raise BadLineError("The result has no message.")
        case str():
            return _Errored(error=msgspec.Raw(msgspec.json.encode(_unknown_type(kind))))
        case _:
            raise BadLineError("The result has no type.")


def _unknown_type(kind: str) -> dict[str, str]:
    return {
        "type": "unknown_result_type",
        "message": f"The API returned a result of the unknown type {kind!r:.100}.",
    }


def _message_of(fields: dict[str, Any]) -> Message:
    model, stop_reason = fields.get("model"), fields.get("stop_reason")
    return Message(
        model=model if isinstance(model, str) else None,
        usage=msgspec.Raw(json.dumps(fields.get("usage")).encode()),
        stop_reason=stop_reason if isinstance(stop_reason, str) else None,
    )


def as_collected(found: ResultLine) -> CollectedResult:
    """The line as a record."""
    match found.result:
        case Succeeded(message=message):
            return CollectedResult(
                custom_id=found.custom_id,
                outcome=Outcome.SUCCEEDED,
                usage=read_usage(message.usage, message.model),
                model=message.model,
                stop_reason=message.stop_reason,
            )
        case _Errored(error=error):
            kind, text = error_of(bytes(error))
            return CollectedResult(
                custom_id=found.custom_id,
                outcome=Outcome.ERRORED,
                error_type=kind,
                error_message=text,
            )
        case _Canceled():
            return CollectedResult(custom_id=found.custom_id, outcome=Outcome.CANCELED)
        case _:
            return CollectedResult(custom_id=found.custom_id, outcome=Outcome.EXPIRED)


def message_of(line: bytes) -> dict[str, Any] | None:
    """The message of a succeeded line; what cannot be decoded in it is replaced."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The content was not parsed when it was collected, so it may be invalid.
        found = lenient_json.load(line)
    return found["result"]["message"]


def final_text(message: dict[str, Any]) -> str | None:
    """The text that the message ends with; None where it ends otherwise.

    Text before a tool call is a remark on it, and no part of a structured output.
    """
    content: object = message.get("content")
    texts: list[str] = []
    for block in reversed(cast("list[object]", content) if isinstance(content, list) else []):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case _:
                break
    return "".join(reversed(texts)) if texts else None


def with_custom_id(line: bytes, wire_id: str, custom_id: str) -> bytes:
    """The line with the caller's custom_id, otherwise unchanged."""
    head = b'{"custom_id":"%b"' % wire_id.encode()
    if line.startswith(head):
        return b'{"custom_id":"%b"%b' % (custom_id.encode(), line[len(head) :])
    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(lenient_json.load(line) | {"custom_id": custom_id})
    fields["custom_id"] = msgspec.Raw(msgspec.json.encode(custom_id))
    return msgspec.json.encode(fields)


def error_of(raw: bytes) -> tuple[str, str]:
    """Type and message of an errored result, from the inner of its two error objects."""
    try:
        outer = lenient_json.load(raw)
    except (ValueError, RecursionError):
        return "unknown_error", raw[:_MESSAGE_LIMIT].decode("utf-8", "replace")
    fields: object = outer
    if isinstance(outer, dict):
        fields = cast("dict[str, object]", outer).get("error", cast("object", outer))
    if not isinstance(fields, dict):
        return "unknown_error", sanitize(str(cast("object", outer) or ""))[:_MESSAGE_LIMIT]
    found = cast("dict[str, object]", fields)
    kind, text = found.get("type") or "unknown_error", found.get("message") or ""
    return sanitize(str(kind))[:100], sanitize(str(text))[:_MESSAGE_LIMIT]
