"""One call to the API, once it is known who makes it and what is to go wrong."""

from dataclasses import dataclass
from datetime import datetime

from titan_console.sandbox.faults.kinds import Stage
from titan_console.sandbox.faults.profile import Fault
from titan_console.sandbox.model.http_messages import HttpRequest
from titan_console.sandbox.rules.routes import Route
from titan_console.sandbox.rules.rows import CallOptions


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
        """Where the caller reaches us: results_url must lead back there."""
        host = self.request.header("host") or "api.anthropic.com"
        return f"{self.request.scheme}://{host}"

    @property
    def lag(self) -> float:
        """How long a new batch stays invisible to this call."""
        return self.fault.seconds if self.fault and self.fault.stage is Stage.LAG else 0.0
