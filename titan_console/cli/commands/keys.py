"""`titan-console keys`: the keys of the console, and the ids by which titan.toml changes them."""

import click
from msgspec import Struct
from textual.keys import format_key

from core.config import titan_file
from core.config.settings import from_environment
from state.files.folder import Folder
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json, print_table
from titan_console.tui import keymap
from titan_console.tui.keymap import Keymap, Known, keys_of


class KeyReport(Struct, frozen=True, kw_only=True):
    """One binding of the console."""

    id: str
    keys: list[str]
    default_keys: list[str]
    does: str
    where: list[str]


@click.command
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List every key of the console with its id.

    In titan.toml, under [console.keys], "tool.copy" = "c" gives the binding another key. Ends with
    1 where an entry there is left out.
    """
    catalogue = titan_file.read(Folder(from_environment().home))
    bindings = keymap.known()
    checked = keymap.check(catalogue.console.keys, bindings)
    # A binding that several screens have stands here once.
    rows = list({one.name: one for one in bindings}.values())
    if as_json:
        for one in rows:
            print_json(_report(one, checked, bindings))
    else:
        print_table(
            ("ID", "KEYS", "WHAT IT DOES"),
            (
                (one.name, " ".join(map(format_key, keys_of(one, checked))), one.words)
                for one in rows
            ),
        )
    problems = [*map(str, catalogue.console_problems), *checked.problems]
    for problem in problems:
        say(problem)
    if problems:
        ctx.exit(Exit.ATTENTION)


def _report(one: Known, checked: Keymap, bindings: list[Known]) -> KeyReport:
    return KeyReport(
        id=one.name,
        keys=list(keys_of(one, checked)),
        default_keys=list(one.keys),
        does=one.words,
        where=[other.where.__name__ for other in bindings if other.name == one.name],
    )
