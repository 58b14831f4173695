"""`titan-console cancel`: ask for batches to end early."""

from typing import Any

import click

from state.operations.commands import Action
from titan_console.cli import command_flow


@click.command
@command_flow.options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """End the open batches that hold what is named. What had succeeded by then is billed, kept."""
    ctx.exit(command_flow.run(Action.CANCEL, given))
