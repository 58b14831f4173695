"""`titan-console adopt`: takes a batch in that the API has and the ledger does not."""

import click
from msgspec import to_builtins

from core.batches.adopt import Adopted
from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.reporting import json_reports
from core.text import pluralize
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json


@click.command
@click.argument("remote_id", metavar="REMOTE_ID")
@click.option("--tag", help="For a batch that is not ours. Default: adopted-REMOTE_ID.")
@click.option("--json", "as_json", is_flag=True, help="Print the batch as one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, remote_id: str, tag: str | None, as_json: bool) -> None:
    """Take the ended batch REMOTE_ID in with its results and what it cost.

    `titan-console orphans` lists what can be adopted. A batch whose results carry a nonce of this
    ledger joins its submission; any other becomes one of its own, whose bodies are unknown.
    """
    with open_engine(from_environment(), actor="cli") as engine:
        adopted = engine.adopt(remote_id, tag=tag)
    if as_json:
        print_json(to_builtins(json_reports.batch(adopted.batch)) | {"is_ours": adopted.is_ours})
    else:
        click.echo(adopted.batch.key)
    say(_in_words(adopted))
    if adopted.trouble:
        say(adopted.trouble)
        ctx.exit(Exit.ATTENTION)


def _in_words(adopted: Adopted) -> str:
    batch = adopted.batch
    if adopted.is_ours:
        return f"It is a batch of this ledger: {batch.key}, tag {batch.tag}."
    return (
        f"Adopted {pluralize(batch.request_count, 'request')} under tag {batch.tag},"
        " with the ids as they came."
        " The bodies are unknown, so they cannot be replayed."
    )
