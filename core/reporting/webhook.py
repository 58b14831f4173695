"""Posts an alert to a URL. Import it where one is posted, since it is slow to load."""

from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.request import HTTPRedirectHandler, Request, build_opener

from core.redaction import redact


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
    """Post the body once; what went wrong, as a line."""
    # The URL was checked when titan.toml was read.
    request = Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310
    try:
        with build_opener(_NoRedirects).open(request, timeout=timeout_s):
            return None
    except (OSError, HTTPException, ValueError) as error:
        return redact(str(error))
