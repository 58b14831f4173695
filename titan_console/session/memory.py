"""Returns freed memory to the operating system after a large query."""

import sys
from collections.abc import Callable
from functools import cache


def trim_memory() -> None:
    """Return free heap to the operating system; only glibc keeps it otherwise."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - only for a large answer

    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return None
    return trim
