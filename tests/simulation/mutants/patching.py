"""Replaces production code temporarily."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from support.builders import Bench

Mutant = Callable[[], Generator[None, None, None]]
# What a bug replaces: owner, name, replacement; and the test that finds it.
Rule = tuple[object, str, object, Callable[[Bench], None]]


def nothing(*_args: object, **_options: object) -> None:
    """Does not do it."""


def never(*_args: object) -> bool:
    """It is never so."""
    return False


@contextmanager
def patched(owner: object, name: str, new: object) -> Generator[None, None, None]:
    """Replace an attribute of production code temporarily."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)
