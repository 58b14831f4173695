"""Faults that make the API another one than expected: successful answers, each changed in one way.

`titan-console verify-api` has to find each of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import msgspec

from core.requests.json_access import as_dict, as_list, as_str
from titan_console.sandbox.model.http_messages import HttpRequest, HttpResponse

_Json = dict[str, object]
_ACCOUNT = ("anthropic-organization-id", "anthropic-workspace-id")
_OF_BATCHES = ("create", "retrieve", "list", "cancel")


def change(what: str, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """The changed answer; an error stays as it is."""
    return answer if answer.status >= 400 else _CHANGES[what](request, answer)  # noqa: PLR2004 - HTTP's own number


def _without_account(_request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    kept = {name: value for name, value in answer.headers.items() if name not in _ACCOUNT}
    return replace(answer, headers=kept)


def _replaced(
    pattern: bytes, text: bytes, _request: HttpRequest, answer: HttpResponse
) -> HttpResponse:
    return replace(answer, body=re.sub(pattern, text, answer.read()))


def _in_json(
    edit: Callable[[HttpRequest, _Json], None], request: HttpRequest, answer: HttpResponse
) -> HttpResponse:
    value = as_dict(msgspec.json.decode(answer.read()))
    edit(request, value)
    return replace(answer, body=msgspec.json.encode(value))


def _oldest_first(_request: HttpRequest, page: _Json) -> None:
    page["data"] = as_list(page["data"])[::-1]


def _with_cursor(request: HttpRequest, page: _Json) -> None:
    """Begin a page with the batch that it should follow."""
    if request.query.get("after_id"):
        first = as_dict(as_list(page["data"])[0]) if page["data"] else {}
        page["data"] = [first | {"id": request.query["after_id"]}, *as_list(page["data"])]


def _without_counts(_request: HttpRequest, batch: _Json) -> None:
    batch["request_counts"] = dict.fromkeys(as_dict(batch["request_counts"]), 0)


def _flat_errors(_request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    lines = [as_dict(msgspec.json.decode(line)) for line in answer.read().splitlines()]
    for line in lines:
        result = as_dict(line["result"])
        if "error" in result:
            result["error"] = as_dict(result["error"])["error"]
    return replace(answer, body=b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _short_expiry(_request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Every batch expires when it was created."""

    def edit(batch: object) -> None:
        fields = as_dict(batch)
        if "expires_at" in fields:
            fields["expires_at"] = as_str(fields["created_at"])

    body = answer.read()
    if b'"expires_at"' not in body:
        return replace(answer, body=body)
    value = as_dict(msgspec.json.decode(body))
    for batch in (value, *as_list(value.get("data"))):
        edit(batch)
    return replace(answer, body=msgspec.json.encode(value))


_Change = Callable[[HttpRequest, HttpResponse], HttpResponse]
_CHANGES: Mapping[str, _Change] = {
    "no-account": _without_account,
    "short-expiry": _short_expiry,
    "oldest-first": partial(_in_json, _oldest_first),
    "repeat-cursor": partial(_in_json, _with_cursor),
    "no-counts": partial(_in_json, _without_counts),
    "flat-errors": _flat_errors,
    "other-errors": partial(_replaced, rb'"invalid_request_error"', b'"validation_failed"'),
    "other-model": partial(_replaced, rb'"model":"[^"]*"', b'"model":"claude-9"'),
    "unknown-usage": partial(_replaced, rb'("output_tokens":)', rb'"video_tokens":7,\1'),
    "other-tier": partial(_replaced, rb'("service_tier":)"[^"]*"', rb'\1"priority"'),
    "no-region": partial(_replaced, rb'("inference_geo":)"[^"]*"', rb'\1"not_available"'),
    "many-tokens": partial(_replaced, rb'("input_tokens":)(\d)', rb"\g<1>99\2"),
}
_RESULTS = ("results",)
# The calls that each of them applies to.
CHANGE_CALLS: Mapping[str, tuple[str, ...]] = {
    "no-account": ("any",),
    "short-expiry": ("any", *_OF_BATCHES),
    "oldest-first": ("list",),
    "repeat-cursor": ("list",),
    "no-counts": ("create",),
    "flat-errors": _RESULTS,
    "other-errors": _RESULTS,
    "other-model": _RESULTS,
    "unknown-usage": ("results", "messages"),
    "other-tier": _RESULTS,
    "no-region": _RESULTS,
    "many-tokens": _RESULTS,
}
