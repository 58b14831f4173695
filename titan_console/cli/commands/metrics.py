"""`titan-console metrics`: the ledger for Prometheus, on stdout or in a textfile."""

from importlib.metadata import version
from pathlib import Path

import click

from core.config import titan_file
from core.config.settings import from_environment
from core.reporting import metrics, prometheus_text
from core.reporting.ledger_time import ledger_now
from core.reporting.output_file import open_output
from core.reporting.poller_health import silent_after
from core.reporting.prometheus_text import Metric
from state.db.opening import open_reader
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import TitanError
from titan_console.cli.output import data_output
from titan_console.cli.stderr import print_stderr


@click.command
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file for the node exporter instead; its name should end in .prom.",
)
def command(*, textfile: Path | None) -> None:
    """Print metrics in the text format of Prometheus; reads the ledger, never the API.

    Without a ledger, or with one that cannot be read, titan_up is 0; the second also exits with 3.
    The file is replaced as a whole and readable by every user.
    """
    folder = from_environment().folder
    program, error = version("titan-console"), None
    try:
        found = _read(folder, program)
    except TitanError as raised:
        found, error = metrics.unreadable(program), raised
    text = prometheus_text.text(found)
    if textfile is None:
        data_output().write(text)
    else:
        with open_output(textfile, folder, overwrite=True, is_public=True) as file:
            file.write(text)
    if error is None:
        return
    if error.code != "ledger_missing":
        raise error
    print_stderr(f"titan-console: {error}")


def _read(folder: Folder, program: str) -> list[Metric]:
    toml = titan_file.read(folder)
    with open_reader(folder) as reader, reader.read_transaction():
        facts = metrics.Facts(
            version=program,
            now=ledger_now(reader),
            silent_after=silent_after(toml.alerts),
            budgets=toml.budgets,
            config_problems=len(toml.problems),
            fallback_files=len(fallback_file.pending(folder)),
        )
        return metrics.metrics(reader, folder, facts)
