"""Numbers in sentences, and what of a foreign text can be kept."""


def counted(number: int, one: str, many: str = "") -> str:
    """As in `3 requests`; `many` is the plural where it is not `one` with an s.

    >>> counted(1, "batch", "batches"), counted(1200, "request")
    ('1 batch', '1,200 requests')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def are(number: int) -> str:
    """The verb after that many."""
    return "is" if number == 1 else "are"


def storable(text: str) -> str:
    """Text that SQLite takes: a lone half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
