"""`titan-console withdraw`: take a command back before it is carried out."""

import click

from core import verbs
from core.bootstrap import open_engine
from core.settings import from_environment
from titan_console.diagnostics import say


@click.command
@click.argument("keys", nargs=-1, required=True, metavar="COMMAND...")
def command(*, keys: tuple[str, ...]) -> None:
    """Take commands back that have not been carried out yet."""
    with open_engine(from_environment(), actor="cli") as engine:
        verbs.withdraw(engine.context, keys)
    say(f"Withdrawn: {', '.join(keys)}.")
