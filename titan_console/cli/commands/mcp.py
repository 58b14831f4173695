"""`titan-console mcp`: the ledger as an MCP server for an AI agent."""

import sys
from pathlib import Path

import click

from core.config.settings import enter_home, from_environment
from core.errors import SettingsError
from state.model.errors import TitanError
from titan_console.agents.tools import Agent, require_budgets
from titan_console.cli.output import is_terminal
from titan_console.cli.stderr import print_problems, print_stderr


@click.command
@click.option("--write", is_flag=True, help="Allow submit and replay, within [budgets.agents].")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Use this TITAN_HOME, with the variables of its poller.env.",
)
def command(*, write: bool, home: Path | None) -> None:
    """Serve the ledger to an AI agent over MCP, on standard input and output.

    Tools: plan, submit, status, wait, results, errors, preview, replay, savings, forecast. Without
    --write nothing is sent and nothing is spent. Requires: pip install 'titan-console[mcp]'.
    """
    try:
        from titan_console.agents.server import serve  # noqa: PLC0415 - an extra, and slow to load
    except ModuleNotFoundError as error:
        package = (error.name or "mcp").partition(".")[0]
        raise SettingsError(
            f"mcp requires {package}; run: pip install 'titan-console[mcp]'",
            code="extra_missing",
        ) from None
    if home is not None:
        print_problems(enter_home(home))
    agent = Agent(settings=from_environment(), writes=write)
    if write:
        try:
            require_budgets(agent)
        except TitanError as error:
            print_stderr(f"titan-console: {error}")
    if is_terminal(sys.stdin):
        print_stderr(
            "Waiting for an MCP client on standard input; an AI agent starts this command."
        )
    if sys.stdin is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it is closed
        serve(agent)
