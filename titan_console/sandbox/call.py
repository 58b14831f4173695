"""One call: its route, the caller, and the fault that hits it."""

import re
from dataclasses import dataclass
from datetime import datetime

from titan_console.sandbox.faults.profile import Fault, Stage
from titan_console.sandbox.model.http_messages import ErrorResponse, HttpRequest
from titan_console.sandbox.rules.rows import CallOptions

_BATCHES = "/v1/messages/batches"
_MODEL = re.compile(r"/v1/models/(?P<id>[^/]+)\Z")
_ONE = re.compile(rf"{_BATCHES}/(?P<id>[^/]+)(?P<tail>/results|/cancel)?\Z")

_COLLECTION = {"POST": "create", "GET": "list"}
_ELEMENT = {
    ("GET", ""): "retrieve",
    ("DELETE", ""): "delete",
    ("GET", "/results"): "results",
    ("POST", "/cancel"): "cancel",
}


@dataclass(frozen=True)
class Route:
    """A call by name, with the batch or the model that it is about."""

    call: str
    batch_id: str = ""
    model: str = ""

    @property
    def is_of_batches(self) -> bool:
        """Whether it counts towards the rate limit of batches."""
        return self.call not in ("messages", "count_tokens", "models", "model")


def find_route(request: HttpRequest) -> Route:
    """The route of a request."""
    path = request.path.rstrip("/")
    if path == "/v1/messages":
        return Route(_method(request, {"POST": "messages"}))
    if path == "/v1/messages/count_tokens":
        return Route(_method(request, {"POST": "count_tokens"}))
    if path == "/v1/models":
        return Route(_method(request, {"GET": "models"}))
    if found := _MODEL.match(path):
        return Route(_method(request, {"GET": "model"}), model=found["id"])
    if path == _BATCHES:
        return Route(_method(request, _COLLECTION))
    match = _ONE.match(path)
    if not match:
        raise ErrorResponse(404, "Not Found")
    tail = match["tail"] or ""
    methods = {method: call for (method, at), call in _ELEMENT.items() if at == tail}
    return Route(_method(request, methods), match["id"])


def _method(request: HttpRequest, calls: dict[str, str]) -> str:
    if request.method not in calls:
        raise ErrorResponse(405, "Method Not Allowed")
    return calls[request.method]


@dataclass(frozen=True)
class Call:
    """One call, once it is known who makes it."""

    request: HttpRequest
    route: Route
    fault: Fault | None
    request_id: str
    workspace: str
    options: CallOptions
    headers: dict[str, str]
    now: datetime

    @property
    def base(self) -> str:
        """The base URL of the caller; results_url starts with it."""
        host = self.request.header("host") or "api.anthropic.com"
        return f"{self.request.scheme}://{host}"

    @property
    def lag(self) -> float:
        """How long a new batch stays invisible to this call."""
        return self.fault.seconds if self.fault and self.fault.stage is Stage.LAG else 0.0
