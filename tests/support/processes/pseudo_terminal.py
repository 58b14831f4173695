"""Reads what processes wrote to a pseudo-terminal."""

import os


def read(descriptor: int) -> bytes:
    """What has come, or the next that comes; empty once the other side is closed and all is read.

    A part of it may come later, also after the process has ended.
    """
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # Linux's way to say that the other side has closed
        return b""


def read_all(descriptor: int) -> bytes:
    """All that comes until the other side is closed."""
    return b"".join(iter(lambda: read(descriptor), b""))
