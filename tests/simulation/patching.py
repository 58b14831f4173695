"""Puts other code in the place of production code, for a while."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

Mutant = Callable[[], Generator[None, None, None]]


@contextmanager
def patched(owner: object, name: str, new: object) -> Generator[None, None, None]:
    """Put that in the place of a part of production code, for a while."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)
