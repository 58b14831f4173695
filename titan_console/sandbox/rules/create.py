"""Validation of a create as a whole, with the messages of the API."""

import re
from collections.abc import Sequence

import msgspec

from core.requests.json_access import as_dict, as_list, is_dict, is_list
from titan_console.sandbox.model.http_messages import ErrorResponse

MAX_BODY = 256_000_000
MAX_MESSAGE_BODY = 32_000_000
MAX_REQUESTS = 100_000
MAX_ID = 64

_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")
_PATTERN = "'^[a-zA-Z0-9_-]{1,64}$'"
_EXTRA = "Extra inputs are not permitted"


class Entry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One element of `requests`; its params are read later."""

    custom_id: str
    params: msgspec.Raw


class CreateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a create."""

    requests: list[Entry]


_decoder = msgspec.json.Decoder(CreateBody)


def read_create(body: bytes) -> Sequence[Entry]:
    """The requests of a valid body."""
    try:
        entries = _decoder.decode(body)
    except msgspec.DecodeError:
        raise _explain(body) from None
    problem = _count_problem(len(entries.requests)) or _id_problem(entries.requests)
    if problem:
        raise ErrorResponse(400, problem)
    return entries.requests


def read_object(body: bytes) -> dict[str, object]:
    """A body that must be one JSON object."""
    value = _any_json(body)
    if not is_dict(value):
        raise ErrorResponse(400, "Input should be a valid dictionary")
    return as_dict(value)


def read_custom_ids(body: bytes) -> tuple[str, ...]:
    """The custom_ids of a body that was refused, as far as it can be read."""
    try:
        return tuple(entry.custom_id for entry in _decoder.decode(body).requests)
    except msgspec.DecodeError:
        return ()


def _count_problem(count: int) -> str:
    if count == 0:
        return "requests: List should have at least 1 item after validation, not 0"
    if count > MAX_REQUESTS:
        return (
            f"requests: List should have at most {MAX_REQUESTS} items after validation, not {count}"
        )
    return ""


def _id_problem(entries: Sequence[Entry]) -> str:
    """The first bad custom_id, or the first duplicate one, or params that are not an object."""
    seen: set[str] = set()
    duplicate = ""
    for index, entry in enumerate(entries):
        problem = _entry_problem(entry)
        if problem:
            return f"requests.{index}.{problem}"
        if entry.custom_id in seen:
            duplicate = duplicate or entry.custom_id
        seen.add(entry.custom_id)
    if duplicate:
        return (
            "requests: custom_id's must be unique within a batch."
            f" Duplicate custom_id found: {duplicate}"
        )
    return ""


def _entry_problem(entry: Entry) -> str:
    if len(entry.custom_id) > MAX_ID:
        return f"custom_id: String should have at most {MAX_ID} characters"
    if not _ID.match(entry.custom_id):
        return f"custom_id: String should match pattern {_PATTERN}"
    if bytes(memoryview(entry.params)[:1]) != b"{":
        return "params: Input should be a valid dictionary"
    return ""


def _any_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ErrorResponse(400, f"The request body is not valid JSON: {error}") from None


def _explain(body: bytes) -> ErrorResponse:
    """The message for a body of the wrong shape."""
    fields = as_dict(_any_json(body))
    requests: object = fields.get("requests")
    if "requests" not in fields:
        return ErrorResponse(400, "requests: Field required")
    if not is_list(requests):
        return ErrorResponse(400, "requests: Input should be a valid list")
    for name in fields:
        if name != "requests":
            return ErrorResponse(400, f"{name}: {_EXTRA}")
    found = (_shape_problem(item) for item in as_list(requests))
    return next(
        (ErrorResponse(400, f"requests.{index}{text}") for index, text in enumerate(found) if text),
        ErrorResponse(400, "requests: Input should be a valid list"),
    )


def _shape_problem(item: object) -> str:
    if not is_dict(item):
        return ": Input should be a valid dictionary"
    fields = as_dict(item)
    for name in ("custom_id", "params"):
        if name not in fields:
            return f".{name}: Field required"
    if not isinstance(fields["custom_id"], str):
        return ".custom_id: Input should be a valid string"
    extra = next((name for name in fields if name not in {"custom_id", "params"}), "")
    return f".{extra}: {_EXTRA}" if extra else ""
