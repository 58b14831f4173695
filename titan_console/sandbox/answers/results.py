"""Messages, result lines and the response to a results call, generated from stored rows."""

from collections.abc import Iterable, Iterator, Mapping
from random import Random

import msgspec

from titan_console.sandbox.answers.texts import Answer, compose
from titan_console.sandbox.faults.lines import choose_lines, corrupt_lines, with_foreign_lines
from titan_console.sandbox.faults.profile import Fault
from titan_console.sandbox.model.http_messages import HttpResponse, error_object
from titan_console.sandbox.model.ids import make_id
from titan_console.sandbox.model.lifecycle import Batch, outcome
from titan_console.sandbox.model.rows import Extras, IterationTokens, Row

CHUNK = 1 << 17
_encode = msgspec.json.Encoder().encode
_ITERATION = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    *("cache_creation", "output_tokens"),
)


def usage(row: Row, answer: Answer, tier: str) -> dict[str, object]:
    """The usage of one answer."""
    counted: dict[str, object] = {
        "input_tokens": row.input_tokens,
        "cache_creation_input_tokens": row.write_5m + row.write_1h,
        "cache_read_input_tokens": row.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": row.write_5m,
            "ephemeral_1h_input_tokens": row.write_1h,
        },
        "output_tokens": answer.output_tokens,
        "service_tier": tier,
        "inference_geo": "not_available",
    }
    if answer.thinking_tokens:
        counted["output_tokens_details"] = {"thinking_tokens": answer.thinking_tokens}
    if row.extras:
        counted |= _extra_usage(row.extras, dict(counted))
    return counted


def _extra_usage(extras: Extras, counted: dict[str, object]) -> dict[str, object]:
    """The fields that only some answers have; `counted` are the answer's own tokens."""
    found: dict[str, object] = {}
    if extras.region:
        found["inference_geo"] = extras.region
    if extras.speed:
        found["speed"] = extras.speed
    if extras.searches is not None or extras.fetches is not None:
        found["server_tool_use"] = {
            "web_search_requests": extras.searches or 0,
            "web_fetch_requests": extras.fetches or 0,
        }
    if extras.iterations:
        own = {name: counted[name] for name in _ITERATION}
        parts = map(_iteration, extras.iterations)
        found["iterations"] = [{"type": "message", "model": None, **own}, *parts]
    return found


def _iteration(part: IterationTokens) -> dict[str, object]:
    return {
        "type": part.type,
        **({"model": part.model} if part.model else {}),
        "input_tokens": part.input_tokens,
        "output_tokens": part.output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": None,
    }


def message(row: Row, message_id: str, tier: str) -> dict[str, object]:
    """The complete Message for a row."""
    answer = compose(row)
    return {
        "model": row.model,
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": answer.content,
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "stop_details": _stop_details(answer),
        "usage": usage(row, answer, tier),
    }


def result_line(batch: Batch, row: Row) -> bytes:
    """One line of a results file, with its line end."""
    kind = outcome(batch, row)
    result: dict[str, object] = {"type": kind}
    if kind == "succeeded":
        result["message"] = message(row, make_id("msg", batch.id, row.custom_id), "batch")
    elif kind == "errored":
        result["error"] = _error(batch, row)
    return _encode({"custom_id": row.custom_id, "result": result}) + b"\n"


def result_lines(batch: Batch) -> Iterator[bytes]:
    """All lines, in no useful order."""
    order = list(range(len(batch.rows)))
    if batch.plan.shuffle:
        Random(batch.id).shuffle(order)  # noqa: S311 - an order, no secret
    return (result_line(batch, batch.rows[index]) for index in order)


def chunked(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in blocks of a size that is fast to send."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= CHUNK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _error(batch: Batch, row: Row) -> dict[str, object]:
    """The doubly nested envelope of an errored row."""
    error = row.error
    kind, text = (error.type, error.message) if error else ("api_error", "Internal server error")
    late = error is None or error.at_run_time
    return {
        "type": "error",
        "error": error_object(kind, text, {"error_visibility": "user_facing"}),
        "request_id": make_id("workerreq", batch.id, row.custom_id) if late else None,
    }


def _stop_details(answer: Answer) -> dict[str, object] | None:
    if answer.stop_reason != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": None}


def results_response(
    batch: Batch, headers: Mapping[str, str], fault: Fault | None, other: Batch | None
) -> HttpResponse:
    """The results of an ended batch; the fault `foreign` uses lines of `other`."""
    full = {
        "content-type": "application/x-jsonl",
        "content-disposition": f"attachment; filename*=utf-8''{batch.id}_results.jsonl",
        **headers,
    }
    if fault and fault.what == "short":
        full["content-length"] = str(sum(map(len, result_lines(batch))))
    return HttpResponse(headers=full, body=chunked(_lines(batch, fault, other)))


def _lines(batch: Batch, fault: Fault | None, other: Batch | None) -> Iterable[bytes]:
    lines: Iterator[bytes] = result_lines(batch)
    if fault is None:
        return lines
    count = len(batch.rows)
    hits = choose_lines(count, fault.lines, Random(batch.id))  # noqa: S311 - a choice, no secret
    if fault.what == "foreign":
        return with_foreign_lines(lines, result_lines(other) if other else (), hits)
    return corrupt_lines(fault.what, lines, count, hits)
