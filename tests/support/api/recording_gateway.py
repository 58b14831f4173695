"""A gateway that demands credentials, writes down each call, and passes it on to a sandbox.

It is a reverse proxy, a forward proxy (absolute targets, and CONNECT with a certificate) and plain
HTTPS in one, so that a test can see which of them a client used.
"""

import json
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from core.clock import SystemClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.http_messages import JSON, HttpRequest, HttpResponse

_ENOUGH = frozenset(("authorization", "x-api-key"))
_QUIET = frozenset(("transfer-encoding", "content-length", "connection", "server", "date"))


@dataclass(frozen=True)
class Arrived:
    """One call as it arrived. `proxied` is "" for a direct one, else how a proxy was asked."""

    method: str
    path: str
    host: str
    proxied: str
    headers: Mapping[str, str]
    is_empty: bool


@dataclass
class Gateway:
    """The calls so far; a call without each of `demands` gets a 401."""

    demands: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""
    sandbox: Sandbox = field(default_factory=lambda: Sandbox(SystemClock()))
    calls: list[Arrived] = field(default_factory=list[Arrived])
    address: str = ""

    def answer(self, call: Arrived, query: str, body: bytes) -> HttpResponse:
        """The sandbox's response, or a refusal."""
        self.calls.append(call)
        refused = [name for name, value in self.demands.items() if call.headers.get(name) != value]
        if refused or not call.path.startswith(self.prefix):
            error = {"type": "authentication_error", "message": f"demanded: {refused}"}
            raw = json.dumps({"type": "error", "error": error}).encode()
            return HttpResponse(status=401, headers={"content-type": JSON}, body=raw)
        # A gateway has its own key for the API.
        own = {"x-api-key": "the-gateways-own"} if not _ENOUGH & call.headers.keys() else {}
        return self.sandbox.handle(
            HttpRequest(
                method=call.method,
                path=call.path.removeprefix(self.prefix),
                query=dict(parse_qsl(query)),
                headers={**call.headers, **own},
                body=body,
                scheme="http",
            )
        )


@contextmanager
def a_gateway(
    gateway: Gateway, certificate: Path | None = None, *, tls: bool = False
) -> Generator[Gateway, None, None]:
    """Serve it on loopback; with `tls` by HTTPS, else the certificate is for CONNECT."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    class Handler(_Handler):
        served = gateway
        inner = context

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls and context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    gateway.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Gateway
    inner: ssl.SSLContext | None
    tunnel = ""

    def _handle(self) -> None:
        body = self._body()
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        absolute = "absolute" if parts.scheme else ""
        proxied = self.tunnel or absolute
        call = Arrived(
            *(self.command, parts.path, headers.get("host", ""), proxied, headers),
            is_empty=not body,
        )
        response = self.served.answer(call, parts.query, body)
        content = response.read()
        self.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in _QUIET:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - named by the library

    def do_CONNECT(self) -> None:
        """Become the server behind the proxy, with its certificate."""
        assert self.inner is not None
        authorization = self.headers.get("proxy-authorization", "")
        self.tunnel = f"connect {self.path.partition(':')[0]} {authorization}".strip()
        self.send_response(200)
        self.end_headers()
        self.connection = self.inner.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        """Close what the tunnel was made of; the server closes the socket below it."""
        super().finish()
        if self.tunnel:
            self.connection.close()

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
        """Nothing."""
