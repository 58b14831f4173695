"""Parses one line of a batch's results, strictly, and only the fields that the ledger needs."""

import json
from typing import Annotated, Any, cast

import msgspec

from core.text import sanitize
from state.model.records import CollectedResult, Outcome, Usage

# Far above any response, and small enough that the cost of a batch fits into the ledger.
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=1 << 30)]
# Below the limit that CPython allows a program to set (640).
_MOST_DIGITS = 600
_MESSAGE_LIMIT = 2000


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: _Tokens = 0
    ephemeral_1h_input_tokens: _Tokens = 0


class _Usage(msgspec.Struct, gc=False):
    input_tokens: _Tokens
    output_tokens: _Tokens
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation: _CacheCreation | None = None


class Message(msgspec.Struct, gc=False):
    """The fields of a message that the ledger needs."""

    model: str
    usage: _Usage
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
    except msgspec.ValidationError as error:
        raise BadLineError(str(error)) from error
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _parse_repaired(line)


def custom_id_of(line: bytes) -> str | None:
    """The custom_id of a line, even where the rest cannot be parsed."""
    try:
        return _named.decode(line).custom_id
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _parse_repaired(line: bytes) -> ResultLine:
    try:
        return _decoder.decode(_repaired(line))
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadLineError(str(error)) from error


def as_collected(found: ResultLine) -> CollectedResult:
    """The line as a record."""
    match found.result:
        case Succeeded(message=message):
            return CollectedResult(
                custom_id=found.custom_id,
                outcome=Outcome.SUCCEEDED,
                usage=to_usage(message.usage),
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


def _repaired(line: bytes) -> bytes:
    """The line with a question mark for each unpaired surrogate.

    Python's own decoder accepts them, as the API's encoder does; a billed message may have one.
    """
    return json.dumps(_loads(line), ensure_ascii=False).encode("utf-8", "replace")


def _loads(text: bytes) -> Any:  # noqa: ANN401 - JSON of any shape
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | str:
    """Python refuses to convert very long numbers; a billed message may have one."""
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def message_of(line: bytes) -> dict[str, Any] | None:
    """The message of a succeeded line; invalid characters are replaced."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The content was not parsed when it was collected, so it may be invalid.
        found = _loads(_repaired(line.decode("utf-8", "replace").encode()))
    return found["result"]["message"]


def with_custom_id(line: bytes, wire_id: str, custom_id: str) -> bytes:
    """The line with the caller's custom_id, otherwise unchanged."""
    head = b'{"custom_id":"%b"' % wire_id.encode()
    if line.startswith(head):
        return b'{"custom_id":"%b"%b' % (custom_id.encode(), line[len(head) :])
    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        fields = msgspec.json.decode(_repaired(line), type=dict[str, msgspec.Raw])
    fields["custom_id"] = msgspec.Raw(msgspec.json.encode(custom_id))
    return msgspec.json.encode(fields)


def error_of(raw: bytes) -> tuple[str, str]:
    """Type and message of an errored result, from the inner of its two error objects."""
    try:
        outer = _loads(raw)
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


def usage_of(value: object) -> Usage:
    """The tokens of a usage object of the API or its SDK. Raises BadLineError."""
    try:
        return to_usage(msgspec.convert(value, _Usage))
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadLineError(str(error)) from error


def to_usage(usage: _Usage) -> Usage:
    """The tokens by kind."""
    written = usage.cache_creation
    total = usage.cache_creation_input_tokens or 0
    one_hour = written.ephemeral_1h_input_tokens if written else 0
    five_minutes = written.ephemeral_5m_input_tokens if written else 0
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        # Usage without a split is from before 1-hour caching.
        cache_write_5m_tokens=max(five_minutes, total - one_hour),
        cache_write_1h_tokens=one_hour,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
    )
