"""`titan-console prune`: retention of the bodies beside the ledger."""

import click
from msgspec import to_builtins

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config.settings import from_environment
from core.delivery.prune import Pruned, prune
from core.reporting.since import parse_since
from core.text import pluralize
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json
from titan_console.text.format import size


@click.command
@click.option("--older-than", default="90d", show_default=True, help="Remove what was over then.")
@click.option("--compress", default="7d", show_default=True, help="Compress what was over then.")
@click.option("--dry-run", is_flag=True, help="Only count; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, *, older_than: str, compress: str, dry_run: bool, as_json: bool
) -> None:
    """Remove the requests, answers and delivered files of what is long over; compress the rest.

    Over is what is settled and delivered. What failed and nobody settled stays, whatever its age,
    and so do the ledger's rows: costs, savings and what was submitted already. Ends with 1 where
    an open command may still want a body; then nothing is done.
    """
    now = SystemClock().now()
    before = parse_since(older_than, now, option="--older-than")
    compress_before = parse_since(compress, now, option="--compress")
    with open_engine(from_environment(), actor="cli") as engine:
        done = prune(
            engine.context, before=before, compress_before=compress_before, dry_run=dry_run
        )
    if as_json:
        print_json(to_builtins(done) | {"dry_run": dry_run})
    else:
        click.echo(_in_words(done, dry_run=dry_run))
    if done.commands_open:
        say("Commands are open and may want a body: `titan-console commands` lists them.")
        ctx.exit(Exit.ATTENTION)


def _in_words(done: Pruned, *, dry_run: bool) -> str:
    saved = "" if dry_run else f", {size(done.bytes_saved)} saved"
    return (
        f"{'Would be removed' if dry_run else 'Removed'}: "
        f" {pluralize(done.submissions, 'submission')}, {pluralize(done.files_removed, 'file')},"
        f" {size(done.bytes_removed)}. {'To be compressed' if dry_run else 'Compressed'}:"
        f" {pluralize(done.files_compressed, 'file')}{saved}."
    )
