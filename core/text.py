"""Plurals for messages, and text that SQLite can store."""


def pluralize(number: int, one: str, many: str = "") -> str:
    """The number and its noun, such as `3 requests`; `many` is an irregular plural.

    >>> pluralize(1, "batch", "batches"), pluralize(1200, "request")
    ('1 batch', '1,200 requests')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def are(number: int) -> str:
    """Return "is" or "are", depending on the count."""
    return "is" if number == 1 else "are"


def sanitize(text: str) -> str:
    """Replace each unpaired surrogate with a question mark: SQLite stores valid UTF-8 only."""
    return text.encode("utf-8", "replace").decode()
