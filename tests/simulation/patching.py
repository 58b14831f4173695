"""Replaces production code temporarily."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

Mutant = Callable[[], Generator[None, None, None]]


@contextmanager
def patched(owner: object, name: str, new: object) -> Generator[None, None, None]:
    """Replace an attribute of production code temporarily."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)
