"""A PDF or an image as the content block of a request."""

from pathlib import Path

from core.errors import InputError
from core.requests.media_type import base64_source, media_type
from core.text import megabytes

#: What the API takes, by the suffix of the file.
PDFS = frozenset({".pdf"})
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})
# The API's limits: of an image as base64, and of a request.
_IMAGE_LIMIT = 5 * 1024 * 1024
_REQUEST_LIMIT = 32_000_000


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
    source = base64_source(content, media)
    return {"type": "document" if is_pdf else "image", "source": source}
