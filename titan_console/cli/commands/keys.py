"""`titan-console keys`: the key bindings of the console, and their ids for titan.toml."""

import click
from msgspec import Struct
from textual.keys import format_key

from core.config import titan_file
from core.config.settings import from_environment
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import json_lines_option, print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.tui import keymap
from titan_console.tui.keymap import KeyBinding, Keymap, keys_of


class KeyReport(Struct, frozen=True, kw_only=True):
    """One binding of the console."""

    id: str
    keys: list[str]
    default_keys: list[str]
    does: str
    where: list[str]


@click.command
@json_lines_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the key bindings of the console with their ids.

    To change one, add its id with a new key under [console.keys] in titan.toml, for example
    "tool.copy" = "c". Exits with 1 if an entry there is invalid.
    """
    titan_toml = titan_file.read(from_environment().folder)
    bindings = keymap.key_bindings()
    checked = keymap.check(titan_toml.console.keys, bindings)
    # A binding that several screens share is listed once.
    rows = list({one.name: one for one in bindings}.values())
    if as_json:
        for one in rows:
            print_json(_report(one, checked, bindings))
    else:
        print_table(
            ("ID", "KEYS", "DESCRIPTION"),
            (
                (one.name, " ".join(map(format_key, keys_of(one, checked))), one.label)
                for one in rows
            ),
        )
    problems = [*map(str, titan_toml.console_problems), *checked.problems]
    for problem in problems:
        print_stderr(problem)
    if problems:
        ctx.exit(Exit.ATTENTION)


def _report(one: KeyBinding, checked: Keymap, bindings: list[KeyBinding]) -> KeyReport:
    return KeyReport(
        id=one.name,
        keys=list(keys_of(one, checked)),
        default_keys=list(one.keys),
        does=one.label,
        where=[other.where.__name__ for other in bindings if other.name == one.name],
    )
