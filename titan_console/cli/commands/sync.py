"""`titan-console sync`: run what is missing synchronously, at the full price."""

from typing import Any

import click

from state.operations.commands import Action
from titan_console.cli import command_flow


@click.command
@command_flow.options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Run what has no answer yet synchronously. Its batches are cancelled and collected first."""
    ctx.exit(command_flow.run(Action.SYNC, given))
