"""The kind of an image or a PDF, and its content as the source of a content block. Pure."""

import base64

_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def media_type(content: bytes) -> str | None:
    """The type that the first bytes show: the API rejects an image with another type."""
    # A RIFF file names its kind behind its length.
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)


def base64_source(content: bytes, kind: object) -> dict[str, object]:
    """The content as the source of an image or document."""
    data = base64.b64encode(content).decode("ascii")
    return {"type": "base64", "media_type": kind, "data": data}
