"""Answers as a recording of `verify-api` does: the sandbox's `--replay`."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from threading import Lock

from core.api.error_mapping import body_of
from core.api.exchanges import Answer, Call, Exchange, Line
from core.clock import Clock
from core.requests.json_access import as_dict, as_list
from titan_console.sandbox.model.http_messages import (
    ErrorResponse,
    Failure,
    HttpRequest,
    HttpResponse,
    error_response,
)
from titan_console.sandbox.rules.access import INVALID_KEY
from titan_console.sandbox.rules.create import MAX_BODY

# What a recording calls the ways to end without an answer.
_FAILURES = {"connect": Failure.CONNECT, "timeout": Failure.TIMEOUT}


class Replay:
    """Each call gets the answers that were recorded for it, one after another; the last repeats.

    A create is known by its custom_ids, any other call by method, path, query and kind of key.
    """

    def __init__(self, lines: Sequence[Line], clock: Clock) -> None:
        """Of a recording."""
        self.clock = clock
        self._answers: dict[Hashable, list[Answer]] = defaultdict(list)
        self._lock = Lock()
        for line in lines:
            if isinstance(line, Exchange) and line.answer is not None:
                self._answers[_recorded(line.call)].append(line.answer)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The next recorded answer, or a 404 that says that there is none."""
        with self._lock:
            answers = self._answers.get(_asked(request), [])
            found = answers.pop(0) if len(answers) > 1 else next(iter(answers), None)
        if found is None:
            message = f"The recording has no {request.method} {request.path}."
            return error_response(ErrorResponse(404, message), "req_replay", {})
        if found.failure:
            return HttpResponse(failure=_FAILURES.get(found.failure, Failure.DROP))
        # The body is recorded as text.
        headers = {name: v for name, v in found.headers.items() if name != "content-encoding"}
        return HttpResponse(status=found.status, headers=headers, body=found.raw)


def _recorded(call: Call) -> Hashable:
    key = INVALID_KEY if call.has_wrong_key else ""
    body = (call.body or "").encode()
    return _key(call.method, call.path, call.query, key, body, ",".join(call.betas))


def _asked(request: HttpRequest) -> Hashable:
    key = request.header("authorization").removeprefix("Bearer ")
    known = INVALID_KEY if INVALID_KEY in (key, request.header("x-api-key")) else ""
    betas = request.header("anthropic-beta")
    return _key(request.method, request.path, request.query, known, request.read(MAX_BODY), betas)


def _key(method: str, path: str, query: object, key: str, body: bytes, betas: str) -> Hashable:
    requests = as_list(as_dict(body_of(body)).get("requests"))
    content: Hashable = body if method == "POST" and path.endswith("/batches") else b""
    if requests:
        content = tuple(str(as_dict(one).get("custom_id")) for one in requests)
    return method, path, tuple(sorted(as_dict(query).items())), key, content, betas
