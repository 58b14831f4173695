"""`titan-console poll` and `titan-console --poll`: polls once without a console."""

from pathlib import Path

import click

from core.bootstrap import open_engine
from core.config.settings import ENV_FILE, enter_home, from_environment
from titan_console.cli import progress
from titan_console.cli.exit_codes import exit_code_after_poll
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.text.poll_summary import one_line


@click.command
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Poll once: check status, send queued batches, download and deliver results."""
    ctx.exit(run(as_json=as_json))


def run(*, as_json: bool, home: Path | None = None) -> int:
    """Poll once and print a summary; the exit code. `home` has a poller.env of its own."""
    if home is not None:
        print_problems(f"{home / ENV_FILE}: {problem}." for problem in enter_home(home))
    settings = from_environment()
    with (
        progress.shown() as bar,
        open_engine(settings, actor="poller", progress=bar) as engine,
    ):
        summary = engine.poll()
    if as_json:
        print_json(summary.as_json())
    else:
        echo(one_line(summary))
        for line in summary.commands:
            # One that failed is a problem, too.
            if line not in summary.problems:
                print_stderr(line)
    print_problems([*summary.elsewhere, *summary.problems])
    return exit_code_after_poll(summary)
