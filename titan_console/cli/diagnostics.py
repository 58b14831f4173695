"""Exit codes and standard error. Data goes to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterable
from enum import IntEnum

import click

from core.errors import ApiError, InputError, PayloadError, SettingsError
from state.model.errors import AlreadySubmitted, LedgerError, TitanError, UnknownId
from state.operations.commands import TooLateError
from titan_console.text.safe_text import clean


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    ATTENTION = 1  # completed, but needs attention
    USAGE = 2  # wrong usage or input
    UNUSABLE = 3  # the configuration or the ledger cannot be used
    STOPPED = 130  # Ctrl-C


def exit_code_of(error: TitanError) -> Exit:
    """The exit code for an error."""
    if isinstance(error, PayloadError | InputError | AlreadySubmitted | UnknownId | TooLateError):
        return Exit.USAGE
    if isinstance(error, SettingsError | LedgerError):
        return Exit.UNUSABLE
    return Exit.ATTENTION if isinstance(error, ApiError) else Exit.UNUSABLE


def report(code: str, message: str, *, as_json: bool) -> None:
    """An error on stderr: one line, or with `--json` one object with its code."""
    if as_json:
        body = {"error": {"code": code, "message": clean(message)}}
        click.echo(json.dumps(body, ensure_ascii=True), err=True)
    else:
        say(f"titan-console: {message}")


def say_problems(problems: Iterable[str]) -> None:
    """Each problem of a poll once, as a line on stderr."""
    for problem in dict.fromkeys(problems):
        say(f"titan-console: {problem}")


def say(message: str) -> None:
    """One line on stderr, without control characters."""
    click.echo(clean(message), err=True)


def is_watched() -> bool:
    """Whether stderr is a terminal, so that progress is worth drawing."""
    return sys.stderr.isatty()
