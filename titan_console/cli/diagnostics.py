"""Exit codes and the standard error stream. Data goes to stdout, everything else here."""

import json
import sys
from enum import IntEnum

import click

from core.errors import ApiError, InputError, PayloadError, SettingsError
from state.model.errors import AlreadySubmitted, LedgerError, TitanError, UnknownId
from state.operations.commands import TooLateError
from titan_console.text.safe_text import clean


class Exit(IntEnum):
    """How a command ends."""

    DONE = 0
    ATTENTION = 1
    USAGE = 2
    UNUSABLE = 3
    STOPPED = 130


def exit_code_of(error: TitanError) -> Exit:
    """The exit code that the error stands for."""
    if isinstance(error, PayloadError | InputError | AlreadySubmitted | UnknownId | TooLateError):
        return Exit.USAGE
    if isinstance(error, SettingsError | LedgerError):
        return Exit.UNUSABLE
    return Exit.ATTENTION if isinstance(error, ApiError) else Exit.UNUSABLE


def report(error: TitanError, *, as_json: bool) -> None:
    """The error on stderr: one line, or with `--json` one object with its code."""
    if as_json:
        body = {"error": {"code": error.code, "message": clean(str(error))}}
        click.echo(json.dumps(body, ensure_ascii=True), err=True)
    else:
        say(f"titan-console: {error}")


def say(message: str) -> None:
    """One line for a person, on stderr, with nothing in it that a terminal would obey."""
    click.echo(clean(message), err=True)


def is_watched() -> bool:
    """Whether a person sees stderr, so that progress is worth drawing."""
    return sys.stderr.isatty()
