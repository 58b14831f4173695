"""`titan-console completion`: shell completion scripts."""

import click
from click.shell_completion import get_completion_class

from titan_console.cli.output import echo


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script for SHELL. For bash: eval "$(titan-console completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root().command
    for program in ("titan-console", "titan"):
        variable = f"_{program.replace('-', '_')}_COMPLETE".upper()
        echo(kind(root, {}, program, variable).source())
