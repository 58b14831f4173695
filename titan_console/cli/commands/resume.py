"""`titan-console resume`: let what a paused workflow submitted be sent."""

from typing import Any

import click

from state.operations.commands import Action
from titan_console.cli import command_flow


@click.command
@command_flow.workflow_options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Send what has waited while the workflows were paused."""
    ctx.exit(command_flow.run(Action.RESUME, given))
