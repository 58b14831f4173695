"""What goes to standard error: errors, problems and remarks. Data goes to stdout."""

import json
from collections.abc import Collection, Iterable
from io import TextIOWrapper
from typing import TextIO

import click

from titan_console.text.safe_text import clean


def print_error(code: str, message: str, *, as_json: bool, problems: Collection[str] = ()) -> None:
    """An error on stderr: one line, or with `--json` one object with its code.

    `problems` are what else went wrong in a poll that failed.
    """
    if as_json:
        body: dict[str, object] = {"code": code, "message": clean(message)}
        if problems:
            body["problems"] = [clean(problem) for problem in problems]
        click.echo(json.dumps({"error": body}, ensure_ascii=True), err=True)
    else:
        print_stderr(f"titan-console: {message}")
        print_problems(problems)


def print_problems(problems: Iterable[str]) -> None:
    """The problems of a poll, each once, as lines on stderr."""
    for problem in dict.fromkeys(problems):
        print_stderr(f"titan-console: {problem}")


def print_stderr(message: str) -> None:
    """One line on stderr, without control characters."""
    click.echo(clean(message), err=True)


def use_utf8(stream: TextIO | None) -> None:
    """Write what a program reads in UTF-8, whatever the code page of this machine."""
    if isinstance(stream, TextIOWrapper) and not stream.isatty():
        stream.reconfigure(encoding="utf-8", errors="replace")
