"""`titan-console withdraw`: take a command back before it is carried out."""

import click

from core.bootstrap import open_engine
from core.commands import planner
from core.config.settings import from_environment
from titan_console.cli.diagnostics import say


@click.command
@click.argument("keys", nargs=-1, required=True, metavar="COMMAND...")
def command(*, keys: tuple[str, ...]) -> None:
    """Take commands back that have not been carried out yet."""
    with open_engine(from_environment(), actor="cli") as engine:
        planner.withdraw(engine.context, keys)
    say(f"Withdrawn: {', '.join(keys)}.")
