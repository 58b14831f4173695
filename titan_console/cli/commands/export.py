"""`titan-console export`: requests with usage, cost and answers, for other programs."""

from collections.abc import Iterable
from pathlib import Path

import click

from core.config.settings import from_environment
from core.reporting import export
from core.reporting.export import Format
from core.reporting.output_file import open_output
from core.text import pluralize
from state.db.opening import open_reader
from state.db.reader import Source
from state.operations import selection
from state.operations.selection import Filter
from titan_console.cli.output import Output, data_output
from titan_console.cli.stderr import print_stderr


@click.command
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Export every request in the ledger.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(map(str, Format))),
    default="jsonl",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file. Default: - (stdout).",
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
def command(
    *, names: tuple[str, ...], everything: bool, form: str, output: Path | None, force: bool
) -> None:
    """Export requests, one row each, with usage, cost and answer.

    NAME is a tag, key, API batch id, custom_id or TAG/CUSTOM_ID. CSV cells that look like formulas
    are prefixed with an apostrophe. The output file is readable by its owner only; a file under
    TITAN_HOME is overwritten only in its exports folder.
    """
    if everything and names:
        raise click.UsageError("Pass either names or --all, not both")
    if not (everything or names):
        raise click.UsageError(
            "Nothing selected to export: pass a tb_… key, tag or custom_id, or --all"
        )
    folder = from_environment().folder
    with open_reader(folder) as reader:
        unread: list[str] = []
        records = export.requests(reader, folder, _ids(reader, names), unread)
        if output is None or output == Path("-"):
            export.write(records, data_output(), Format(form))
        else:
            with open_output(output, folder, overwrite=force) as file:
                count = export.write(records, Output(file), Format(form))
            print_stderr(f"{pluralize(count, 'request')} exported to {output}.")
    if unread:
        count = pluralize(len(unread), "answer")
        print_stderr(f"{count} without text, since `prune` deleted it or a file is missing.")
        print_stderr(f"The first: {unread[0]} `titan-console doctor` names missing files.")


def _ids(source: Source, names: tuple[str, ...]) -> Iterable[int] | None:
    if not names:
        return None
    return selection.request_ids(source, Filter(names=names))
