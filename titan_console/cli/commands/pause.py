"""`titan-console pause`: hold back what a workflow submits."""

from typing import Any

import click

from state.operations.commands import Action
from titan_console.cli import command_flow


@click.command
@command_flow.workflow_options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Send nothing of the workflows until they are resumed.

    What they submit is taken in and waits. What is at the API goes on, and deadlines are kept.
    """
    ctx.exit(command_flow.run(Action.PAUSE, given))
