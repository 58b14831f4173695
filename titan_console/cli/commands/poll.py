"""`titan-console poll` and `titan-console --poll`: one headless poll."""

import click

from core.bootstrap import open_engine
from core.config.settings import from_environment
from titan_console.cli import progress
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json
from titan_console.text.poll_summary import in_words


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Make one poll: look, collect, deliver."""
    ctx.exit(run(as_json=as_json))


def run(*, as_json: bool) -> int:
    """Make one poll, print what it did; the exit code."""
    settings = from_environment()
    with (
        progress.shown() as bar,
        open_engine(settings, actor="poller", progress=bar) as engine,
    ):
        summary = engine.poll()
    if as_json:
        print_json(summary.as_json())
    else:
        click.echo(in_words(summary))
    for order in summary.commands:
        say(f"titan-console: {order}")
    for trouble in dict.fromkeys(summary.problems):
        say(f"titan-console: {trouble}")
    return Exit.ATTENTION if summary.problems or summary.failed else Exit.DONE
