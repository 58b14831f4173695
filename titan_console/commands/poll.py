"""`titan-console poll` and `titan-console --poll`: one headless pass."""

import click

from core.bootstrap import open_engine
from core.poll import PassSummary
from core.settings import from_environment
from titan_console import progress
from titan_console.diagnostics import Exit, say
from titan_console.output import print_json


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Make one pass: look, collect, deliver."""
    ctx.exit(run(as_json=as_json))


def run(*, as_json: bool) -> int:
    """Make one pass, print what it did; the exit code."""
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
    for order in summary.orders:
        say(f"titan-console: {order}")
    for trouble in dict.fromkeys(summary.troubles):
        say(f"titan-console: {trouble}")
    return Exit.ATTENTION if summary.troubles or summary.failed else Exit.DONE


def in_words(summary: PassSummary) -> str:
    """The pass in one line."""
    if not summary.ran:
        return f"{summary.busy}; nothing to do here."
    parts = [
        f"{number:,} {what}"
        for number, what in (
            (summary.sent, "sent"),
            (summary.collected, "collected"),
            (summary.results, "results"),
            (summary.failed, "failed"),
            (len(summary.delivered), "delivered"),
            (len(summary.troubles), "troubles"),
        )
        if number
    ]
    return f"{summary.open:,} open; " + (", ".join(parts) or "nothing new") + "."
