"""`titan-console completion`: shell completion scripts."""

import click
from click.shell_completion import get_completion_class

from titan_console.cli.output import echo

# How each shell is told to complete the short name with the same function.
_SHORT_NAME = {
    "bash": "complete -o nosort -F {} titan",
    "zsh": "(( $+functions[compdef] )) && compdef {} titan",
    "fish": 'complete --no-files --command titan --arguments "({})"',
}


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script for SHELL. For bash: eval "$(titan-console completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"No completion for {shell}")
    made = kind(ctx.find_root().command, {}, "titan-console", "_TITAN_CONSOLE_COMPLETE")
    echo(made.source().replace("#compdef titan-console", "#compdef titan-console titan"))
    echo(_SHORT_NAME[shell].format(made.func_name))
