"""Replaces production code temporarily."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from inspect import Parameter, Signature, isfunction, signature
from multiprocessing import get_context
from pathlib import Path

import pytest
from support.builders import Bench
from support.processes import forked_command

Mutant = Callable[[], Generator[None, None, None]]
# What a bug replaces: owner, name, replacement; and the test that finds it.
Rule = tuple[object, str, object, Callable[[Bench], None]]

_ANY_NUMBER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def nothing(*_args: object, **_options: object) -> None:
    """Does not do it."""


def never(*_args: object, **_options: object) -> bool:
    """It is never so."""
    return False


@contextmanager
def patched(owner: object, name: str, new: object) -> Generator[None, None, None]:
    """Replace an attribute of production code temporarily.

    Raises TypeError for a function that cannot be called as the old one: its traceback would pass
    for what finds the bug.
    """
    old = getattr(owner, name)
    if isfunction(old) and isfunction(new):
        _check_call(signature(old), signature(new))
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)


def _check_call(old: Signature, new: Signature) -> None:
    """Raise TypeError where the new one does not take each argument that the old one needs."""
    needed = [one for one in old.parameters.values() if one.default is Parameter.empty]
    given = [one for one in needed if one.kind not in _ANY_NUMBER]
    named = {one.name: None for one in given if one.kind == Parameter.KEYWORD_ONLY}
    new.bind(*[None] * (len(given) - len(named)), **named)


@contextmanager
def in_commands() -> Generator[None, None, None]:
    """Commands of a `Terminal` are forked from this process, with what is replaced in it."""
    if not forked_command.IS_POSSIBLE:
        pytest.skip("needs fork, so that a command has the bug")
    with (
        patched(forked_command, "_server", partial(get_context, "fork")),
        patched(forked_command, "_command", _forked_from_here),
    ):
        yield


_command = forked_command._command


def _forked_from_here(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    cwd: Path,
    files: Path,
    streams: forked_command.Streams,
) -> None:
    # In place of those of pytest.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    _command(arguments, environment, cwd, files, streams)
