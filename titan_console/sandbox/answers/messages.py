"""The synchronous Messages call: one JSON answer, or server-sent events in the real order."""

from collections.abc import Iterator, Mapping

import msgspec

from core.requests.json_access import as_dict, as_list, as_str
from titan_console.sandbox.model.http_messages import HttpResponse, json_response

_PIECE = 24
_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

Event = dict[str, object]


def message_response(
    message: dict[str, object], headers: Mapping[str, str], *, stream: bool
) -> HttpResponse:
    """The answer to a Messages call."""
    if not stream:
        return json_response(message, headers)
    return HttpResponse(headers={**_STREAM_HEADERS, **headers}, body=events(message))


def events(message: dict[str, object]) -> Iterator[bytes]:
    """A message as the stream that the API would send."""
    for event in _events(message):
        yield b"event: %b\ndata: %b\n\n" % (
            as_str(event["type"]).encode(),
            msgspec.json.encode(event),
        )


def _events(message: dict[str, object]) -> Iterator[Event]:
    usage = as_dict(message["usage"])
    started = {**usage, "output_tokens": 1}
    opening: Event = {**message, "content": [], "stop_reason": None, "usage": started}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(as_list(message["content"])):
        yield from _block(index, as_dict(block))
        if index == 0:
            yield {"type": "ping"}
    delta = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    final = {
        name: usage[name]
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
            "server_tool_use",
            "iterations",
        )
        if name in usage
    }
    yield {"type": "message_delta", "delta": delta, "usage": final}
    yield {"type": "message_stop"}


def _block(index: int, block: dict[str, object]) -> Iterator[Event]:
    """Start, deltas and stop of one content block."""
    empties: dict[str, Event] = {
        "text": {"type": "text", "text": ""},
        "thinking": {"type": "thinking", "thinking": "", "signature": ""},
        "tool_use": {**block, "input": {}},
        "server_tool_use": {**block, "input": {}},
    }
    # Results of server tools come whole.
    empty = empties.get(as_str(block["type"]), block)
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(block: dict[str, object]) -> Iterator[Event]:
    match block["type"]:
        case "text":
            for piece in _pieces(as_str(block["text"])):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in _pieces(as_str(block["thinking"])):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use" | "server_tool_use":
            for piece in _pieces(msgspec.json.encode(block["input"]).decode()):
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            pass


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
