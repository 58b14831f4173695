"""`titan-console resume`: let what a paused workflow submitted be sent."""

from typing import Any

import click

from state.commands import Verb
from titan_console import ordering


@click.command
@ordering.workflow_options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Send what has waited while the workflows were paused."""
    ctx.exit(ordering.run(Verb.RESUME, given))
