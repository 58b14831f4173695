"""What the demo says at its end: what happened, what it saved, where to look next."""

import shutil
import sys
from pathlib import Path

import click
from msgspec import to_builtins

from core.clock import SystemClock
from core.reporting import json_reports
from core.text import pluralize
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.model.records import Batch
from state.model.timestamps import to_text
from state.queries import batch_list, ledger_status
from titan_console.cli.output import print_table
from titan_console.text import format as cells


def tell(home: Path) -> None:
    """Read it all from the ledger, as any other program would."""
    folder = Folder(home)
    with Reader(folder.ledger) as reader:
        click.echo()
        _tell_jobs(reader)
        _tell_rescues(reader)
        _tell_errors(reader)
    click.echo()
    click.echo("Look around:")
    click.echo(f"  export TITAN_HOME={home}")
    program = _program()
    for command, what in (
        (program, "the console"),
        (f"{program} status", "the same as text; --json for programs"),
        (f"{program} errors", "what failed, and why"),
        (f"{program} results TAG", "every answer, in input order"),
    ):
        click.echo(f"  {command:<{len(program) + 14}} {what}")
    staged = sorted(path.name for path in folder.staging.glob("*.jsonl"))
    if staged:
        files = pluralize(len(staged), "file")
        click.echo(f"  {folder.staging}/ has what the next job reads, {files} such as {staged[-1]}")


def _program() -> str:
    """How this shell calls us: by name, or by the path where the environment is not active."""
    if shutil.which("titan-console"):
        return "titan-console"
    return str(Path(sys.executable).parent / "titan-console")


def report(home: Path) -> dict[str, object]:
    """The same for programs."""
    folder = Folder(home)
    with Reader(folder.ledger) as reader:
        batches = sorted(batch_list.closed_batches(reader, limit=100), key=lambda batch: batch.id)
        return {
            "home": str(home),
            "batches": [json_reports.batch(batch) for batch in batches],
            **to_builtins(json_reports.status(reader, now_ts=to_text(SystemClock().now()))),
            "staging": sorted(str(path) for path in folder.staging.glob("*.jsonl")),
        }


def _tell_jobs(source: Source) -> None:
    batches = batch_list.closed_batches(source, limit=100)
    print_table(
        ("JOB", "REQUESTS", "SUCCEEDED", "FAILED", "SYNC PRICE", "PAID", "SAVED"),
        [
            (
                batch.workflow,
                cells.count(batch.request_count),
                cells.count(batch.counts.succeeded),
                cells.count(cells.failed(batch)),
                cells.money(batch.sync_cost_nano),
                cells.cost(batch),
                cells.saved(batch),
            )
            for batch in sorted(batches, key=lambda batch: batch.id)
        ],
    )
    totals = ledger_status.totals(source)
    click.echo(
        f"{cells.count(totals.succeeded)} answers for {cells.money(totals.cost_nano)};"
        f" synchronously they would have cost {cells.money(totals.sync_cost_nano)}:"
        f" {cells.money(totals.savings_nano)} saved. (Prices are real, the answers are not.)"
    )


def _tell_rescues(source: Source) -> None:
    for batch in batch_list.closed_batches(source, limit=100):
        if _was_rescued(batch):
            click.echo(
                f"{batch.workflow}: the answer to its create was lost. A poll found the batch at"
                " the API by the nonce in its results: sent once, paid once."
            )


def _was_rescued(batch: Batch) -> bool:
    return batch.identified_by == "nonce" and batch.duplicate_of is None


def _tell_errors(source: Source) -> None:
    failed = ledger_status.totals(source).failed_requests
    if failed:
        click.echo(f"{pluralize(failed, 'request')} failed at the API: kept, and not billed.")
