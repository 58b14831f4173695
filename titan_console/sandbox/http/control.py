"""Inspect and control a running sandbox over HTTP, from this machine only."""

import math
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.accelerated_clock import AcceleratedClock

_LOOPBACK = frozenset({"127.0.0.1", "::1"})

Endpoint = Callable[[Request], Response]


class Control:
    """The endpoints under /sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Control one sandbox."""
        self._sandbox = sandbox

    def billing_log(self, _request: Request) -> Response:
        """The creates that were received and the rows that are billed."""
        billing_log = self._sandbox.billing_log()
        return _json({"creates": billing_log.creates, **msgspec.to_builtins(billing_log)})

    def batches(self, _request: Request) -> Response:
        """Every batch of every workspace."""
        return _json(self._sandbox.batches())

    def end(self, request: Request) -> Response:
        """End one batch now."""
        try:
            self._sandbox.end(request.path_params["id"])
        except KeyError:
            return _problem("no such batch", status=404)
        return self.batches(request)

    def vanish(self, request: Request) -> Response:
        """Answer 404 for a batch: ?seconds=600, or always."""
        try:
            seconds = float(request.query_params.get("seconds", "0"))
            self._sandbox.vanish(request.path_params["id"], seconds=seconds)
        except ValueError:
            return _problem("seconds: a number is required")
        except KeyError:
            return _problem("no such batch", status=404)
        return self.batches(request)

    def make_endless(self, request: Request) -> Response:
        """Let a batch never end."""
        try:
            self._sandbox.make_endless(request.path_params["id"])
        except KeyError:
            return _problem("no such batch", status=404)
        return self.batches(request)

    def advance(self, request: Request) -> Response:
        """Let time pass at once."""
        clock = self._sandbox.clock
        try:
            seconds = float(request.query_params.get("seconds", ""))
        except ValueError:
            return _problem("seconds: a number is required")
        if not isinstance(clock, AcceleratedClock) or not math.isfinite(seconds) or seconds < 0:
            return _problem("the clock of the sandbox cannot be set to that time")
        clock.advance(seconds)
        return _json({"now": clock.now()})

    def faults(self, _request: Request) -> Response:
        """The active rules."""
        return _json(self._sandbox.faults.rules)

    def add_fault(self, request: Request) -> Response:
        """Add a rule: ?rule=create:drop:times=1."""
        try:
            self._sandbox.faults.add(request.query_params.get("rule", ""))
        except ValueError as error:
            return _problem(str(error))
        return self.faults(request)

    def clear_faults(self, request: Request) -> Response:
        """Remove all rules."""
        self._sandbox.faults.clear()
        return self.faults(request)


def control_routes(sandbox: Sandbox) -> list[Route]:
    """The routes of the control endpoints; only loopback callers are allowed."""
    control = Control(sandbox)
    return [
        Route("/billing_log", _local(control.billing_log)),
        Route("/batches", _local(control.batches)),
        Route("/end/{id}", _local(control.end), methods=["POST"]),
        Route("/vanish/{id}", _local(control.vanish), methods=["POST"]),
        Route("/endless/{id}", _local(control.make_endless), methods=["POST"]),
        Route("/advance", _local(control.advance), methods=["POST"]),
        Route("/faults", _local(control.faults), methods=["GET"]),
        Route("/faults", _local(control.add_fault), methods=["POST"]),
        Route("/faults", _local(control.clear_faults), methods=["DELETE"]),
    ]


def _local(endpoint: Endpoint) -> Endpoint:
    """The endpoint, for callers on this machine."""

    def guarded(request: Request) -> Response:
        if request.client is None or request.client.host not in _LOOPBACK:
            return _problem("requests from other machines are rejected", status=403)
        return endpoint(request)

    return guarded


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _problem(text: str, *, status: int = 400) -> Response:
    return PlainTextResponse(text + "\n", status)
