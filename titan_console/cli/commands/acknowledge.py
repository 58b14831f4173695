"""`titan-console acknowledge`: settle failed requests, and take answers as they are."""

from typing import Any

import click

from state.operations.commands import Action
from titan_console.cli import command_flow


@click.command
@command_flow.options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Settle failed requests without an answer: they leave the list of errors.

    Answers that were refused or cut off are taken as they are, and leave it too.
    """
    ctx.exit(command_flow.run(Action.ACKNOWLEDGE, given))
