"""Serves the page of the batches alone to local browsers, behind the guard of `serve`."""

from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

import uvicorn

from titan_console.web.batches import App, Receive, Scope, Send
from titan_console.web.guard import Guard


def guarded(app: App, guard: Guard, say: Callable[[str], None]) -> App:
    """The application for browsers that opened the printed link; `say` prints the next one."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
        host, token = headers.get("host"), parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in token:
            if guard.redeem(host=host, token=token["token"][0]):
                say("Opened. Link for another browser:")
                say(guard.link())
                cookie = f"{guard.cookie}={guard.session}; HttpOnly; SameSite=Strict; Path=/"
                await _respond(send, 302, [(b"location", b"/"), (b"set-cookie", cookie.encode())])
                return
        elif guard.admits(
            host=host, origin=headers.get("origin"), cookie=_cookie(headers, guard.cookie)
        ):
            await app(scope, receive, send)
            return
        await _respond(send, 403, [(b"content-type", b"text/plain")], _REFUSAL)

    return check


_REFUSAL = b"Access denied. Open the link that `titan-console serve --page` printed.\n"


def _cookie(headers: dict[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return found.value if found else None


async def _respond(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _PageServer(uvicorn.Server):
    """Announces itself once it listens."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        if self.started:
            self._announce()


def run(app: App, port: int, announce: Callable[[], None]) -> bool:
    """Serve until Ctrl-C; false where the port cannot be used."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )
    server = _PageServer(config, announce)
    try:
        server.run()
    except SystemExit:
        return False
    return server.started
