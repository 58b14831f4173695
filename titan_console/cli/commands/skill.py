"""`titan-console skill`: shows, installs or removes the skill for an agent."""

import os
import shlex
import sys
from pathlib import Path
from subprocess import list2cmdline

import click
from msgspec import Struct

from core.config.settings import claude_folder, from_environment
from core.errors import InputError
from state.files import windows_calls
from titan_console.agents import skill
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.schedule.steps import Plan, Remove, Step, Write, carry_out

_WRITE = (
    "The MCP server only reads. With --write at the end of that command it also submits and"
    " replays, within [budgets.agents] of titan.toml."
)


class SkillReport(Struct, frozen=True, kw_only=True):
    """The skill, and what was done with it."""

    path: str
    text: str
    steps: list[str]
    hints: list[str]


@click.command
@click.option("--install", is_flag=True, help="Write it to your skills folder.")
@click.option("--uninstall", is_flag=True, help="Remove it from your skills folder.")
@json_option
def command(*, install: bool, uninstall: bool, as_json: bool) -> None:
    """Show, install or remove a skill that tells Claude how to use Titan Console.

    The file is skills/titan-console/SKILL.md in ~/.claude or CLAUDE_CONFIG_DIR. It names this
    installation and this TITAN_HOME; it has no API key and no rights of its own.
    """
    if install and uninstall:
        raise click.UsageError("--install and --uninstall cannot be combined.")
    home = os.path.abspath(from_environment().home)  # noqa: PTH100 - links stay as they are
    text = skill.markdown(sys.executable, home, for_windows=windows_calls.is_windows())
    path = skill.path(claude_folder())
    steps = _steps(path, text, is_removal=uninstall) if install or uninstall else []
    carry_out(Plan(steps))
    hints = [] if uninstall else [f"To add the MCP server to Claude Code: {_add(home)}", _WRITE]
    if as_json:
        done = [str(step) for step in steps]
        print_json(SkillReport(path=str(path), text=text, steps=done, hints=hints))
        return
    if install or uninstall:
        _print_done(steps, is_removal=uninstall)
    else:
        echo(text)
        print_stderr(f"To install it as {path}: titan-console skill --install")
    for hint in hints:
        print_stderr(hint)


def _steps(path: Path, text: str, *, is_removal: bool) -> list[Step]:
    """What is left to do. Raises InputError for a file of the user's own."""
    content = path.read_bytes() if path.exists() else b""
    if content and skill.MARK.encode() not in content.splitlines():
        raise InputError(
            f"{path} was not written by titan-console: move it away first.", code="name_in_use"
        )
    if is_removal:
        return [Remove(path)] if path.exists() else []
    return [] if content == text.encode() else [Write(path, text.encode())]


def _add(home: str) -> str:
    words = skill.server(sys.executable, home)
    return list2cmdline(words) if windows_calls.is_windows() else shlex.join(words)


def _print_done(steps: list[Step], *, is_removal: bool) -> None:
    for step in steps:
        echo(f"done: {step}")
    if not steps:
        echo(f"Nothing to do: {'it is not installed' if is_removal else 'already up to date'}.")
