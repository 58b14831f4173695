"""`titan-console prune`: retention of the request and result bodies beside the ledger."""

from datetime import datetime

import click
from msgspec import to_builtins

from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.maintenance.prune import Pruned, preview, prune
from core.reporting.ledger_time import ledger_now
from core.reporting.since import parse_since
from core.text import pluralize
from state.db.opening import open_reader
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.text.format import size


@click.command
@click.option(
    "--older-than",
    default="90d",
    show_default=True,
    help="Delete files of submissions that were finished and delivered longer ago than this.",
)
@click.option(
    "--compress",
    default="7d",
    show_default=True,
    help="Compress files of submissions that were finished and delivered longer ago than this.",
)
@click.option("--dry-run", is_flag=True, help="Only count; change nothing.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, older_than: str, compress: str, dry_run: bool, as_json: bool
) -> None:
    """Delete old request bodies, results and delivered files; compress more recent ones.

    Only submissions that were finished and delivered, and whose requests all succeeded or were
    acknowledged, are pruned. Rows of the ledger (costs, savings, custom_ids) are always kept. Exits
    with 1 and changes nothing while a pending command may need a request body.
    """
    settings = from_environment()

    def moments(now: datetime) -> dict[str, datetime]:
        return {
            "before": parse_since(older_than, now, option="--older-than"),
            "compress_before": parse_since(compress, now, option="--compress"),
        }

    if dry_run:
        folder = settings.folder
        with open_reader(folder) as reader:
            done = preview(reader, folder, **moments(ledger_now(reader)))
    else:
        with open_engine(settings, actor="cli", creates=False) as engine:
            done = prune(engine.context, **moments(engine.context.clock.now()))
    if as_json:
        print_json(to_builtins(done) | {"dry_run": dry_run})
    else:
        echo(_summary(done, dry_run=dry_run))
    if done.commands_open:
        print_stderr(
            "Nothing pruned: pending commands may need a request body;"
            " see `titan-console commands`."
        )
        ctx.exit(Exit.ATTENTION)


def _summary(done: Pruned, *, dry_run: bool) -> str:
    saved = "" if dry_run else f", {size(done.bytes_saved)} saved"
    return (
        f"{'Would delete' if dry_run else 'Deleted'}:"
        f" {pluralize(done.submissions, 'submission')}, {pluralize(done.files_removed, 'file')},"
        f" {size(done.bytes_removed)}. {'Would compress' if dry_run else 'Compressed'}:"
        f" {pluralize(done.files_compressed, 'file')}{saved}."
    )
