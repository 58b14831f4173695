"""A PDF or an image as the content block of a request."""

import base64
from pathlib import Path

from core.errors import InputError
from core.text import megabytes

#: What the API takes, by the suffix of the file.
PDFS = frozenset({".pdf"})
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})
# The API's limits: of an image as base64, and of a request.
_IMAGE_LIMIT = 5 * 1024 * 1024
_REQUEST_LIMIT = 32_000_000
_RIFF, _WEBP = b"RIFF", b"WEBP"
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def block(path: Path, name: str) -> dict[str, object]:
    """The content block of that file, which messages call `name`.

    Raises InputError where it is not what its suffix says, or larger than the API allows.
    """
    is_pdf = path.suffix.lower() in PDFS
    limit = _REQUEST_LIMIT if is_pdf else _IMAGE_LIMIT
    largest = limit // 4 * 3
    size = path.stat().st_size
    if size > largest:
        raise InputError(
            f"{name} is {megabytes(size)}; the API takes"
            f" {'PDFs' if is_pdf else 'images'} of at most {megabytes(largest)}.",
            code="request_too_large",
        )
    content = path.read_bytes()
    media = media_type(content)
    if media is None or (media == "application/pdf") != is_pdf:
        raise InputError(
            f"{name} is not {'a PDF' if is_pdf else 'a JPEG, PNG, GIF or WebP image'}:"
            " remove it from the folder, or convert it.",
        )
    data = base64.b64encode(content).decode("ascii")
    source = {"type": "base64", "media_type": media, "data": data}
    return {"type": "document" if is_pdf else "image", "source": source}


def media_type(content: bytes) -> str | None:
    """The type that the first bytes show: the API rejects an image with another type."""
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return "image/webp"
    return next((media for magic, media in _MAGIC if content.startswith(magic)), None)
