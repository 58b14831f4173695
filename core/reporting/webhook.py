"""Posts an alert to a URL. Imported only for a post, since the import is slow."""

from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO
from urllib.request import HTTPRedirectHandler, Request, build_opener

from core.redaction import redact
from core.text import printable

# The reason may be any text of the receiver.
_LONGEST = 300


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an error: its target must not get the signature."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """See the base class."""
        del req, fp, code, msg, headers, newurl


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> str | None:
    """Post the body once, within that time in all; what went wrong, as a line."""
    # The URL was checked when titan.toml was read.
    request = Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310
    ended = SimpleQueue[str | None]()

    def run() -> None:
        try:
            with build_opener(_NoRedirects).open(request, timeout=timeout_s):
                ended.put(None)
        except (OSError, HTTPException, ValueError) as error:
            ended.put(printable(redact(str(error)))[:_LONGEST])

    # A timeout of a socket is for each read alone; the thread ends with the process at the latest.
    Thread(target=run, name="titan-webhook", daemon=True).start()
    try:
        return ended.get(timeout=timeout_s)
    except Empty:
        return f"no complete response within {timeout_s:g} s"
