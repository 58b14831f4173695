"""What goes wrong with the images of a row."""

import base64
import binascii
from urllib.parse import urlsplit

from titan_console.sandbox.model.json_access import as_dict, as_list, as_str
from titan_console.sandbox.model.rows import RowError

_INVALID = "invalid_request_error"
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_HEAD = 16
# Names that can never resolve (RFC 6761): the only downloads that the sandbox lets fail.
_UNREACHABLE = (".invalid", ".test")


def media_error(params: dict[str, object]) -> RowError | None:
    """The first image that cannot be had or read."""
    for number, message in enumerate(as_list(params.get("messages"))):
        for index, block in enumerate(as_list(as_dict(message).get("content"))):
            if as_dict(block).get("type") != "image":
                continue
            error = _image_error(as_dict(as_dict(block).get("source")), number, index)
            if error:
                return error
    return None


def _image_error(source: dict[str, object], message: int, block: int) -> RowError | None:
    if source.get("type") == "url":
        host = urlsplit(as_str(source.get("url"))).hostname or ""
        if host.endswith(_UNREACHABLE):
            text = "Unable to download the file. Please verify the URL and try again."
            return RowError(_INVALID, text, at_run_time=True)
    if source.get("type") == "base64" and not _is_image(as_str(source.get("data"))):
        where = f"messages.{message}.content.{block}.image.source.base64.data"
        return RowError(_INVALID, f"{where}: The file format is invalid or unsupported")
    return None


def _is_image(data: str) -> bool:
    """Whether the first bytes are those of a format that the API takes."""
    try:
        return base64.b64decode(data[:_HEAD]).startswith(_SIGNATURES)
    except binascii.Error:
        return False
