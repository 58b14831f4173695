"""What a large answer took, handed back to the system."""

import sys
from collections.abc import Callable
from functools import cache


def trim_memory() -> None:
    """Let the system have what is free; glibc keeps it for itself, other libraries do not."""
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
