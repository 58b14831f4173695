"""`titan-console acknowledge`: settle failed requests, and take answers as they are."""

from typing import Any

import click

from state.commands import Verb
from titan_console import ordering


@click.command
@ordering.options
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Settle failed requests without an answer: they leave the list of errors.

    Answers that were refused or cut off are taken as they are, and leave it too.
    """
    ctx.exit(ordering.run(Verb.ACKNOWLEDGE, given))
