"""`titan-console results`: the answers, in input order."""

import click

from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.delivery.results import Result
from core.text import pluralize
from state.model.records import REVIEW_STOP_REASONS
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json
from titan_console.text.safe_text import clean


@click.command
@click.argument("name", metavar="TAG|KEY")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@click.pass_context
def command(ctx: click.Context, *, name: str, as_json: bool) -> None:
    """Print the results of a tag, a submission or a batch, in input order.

    Without --json: the custom_id, the outcome and the text on one line. Ends with 1 while some
    have not ended.
    """
    waiting = 0
    with open_engine(from_environment(), actor="cli") as engine:
        for result in engine.results(name):
            waiting += result["outcome"] is None
            if as_json:
                print_json(result)
            else:
                click.echo(_line(result))
    if waiting:
        say(f"{pluralize(waiting, 'request')} still to end.")
        ctx.exit(Exit.ATTENTION)


def _line(result: Result) -> str:
    outcome: str = result["outcome"] or "open"
    stop_reason = result["message"] and result["message"].get("stop_reason")
    if stop_reason in REVIEW_STOP_REASONS:
        outcome = f"{outcome} ({stop_reason})"
    said = result["text"] or _trouble(result)
    return f"{clean(result['custom_id'])}  {clean(outcome)}  {clean(said)}".rstrip()


def _trouble(result: Result) -> str:
    """What went wrong, where the outcome does not say it all."""
    error = result["error"]
    if error is None:
        return ""
    parts = (error["type"] if error["type"] != result["outcome"] else "", error["message"])
    return ": ".join(part for part in parts if part)
