"""The summary at the end of the demo: jobs, savings, and what to try next."""

import shutil
import sys
from pathlib import Path

from msgspec import to_builtins

from core.clock import SystemClock
from core.money.pricing import dollars
from core.reporting import json_reports, status_report
from core.text import pluralize
from state.db.reader import Reader, Source
from state.files.folder import Folder
from state.model.records import Batch
from state.model.timestamps import to_text
from state.queries import batch_list, ledger_status
from titan_console.cli.output import echo, print_table
from titan_console.text import format as cells


def print_summary(home: Path) -> None:
    """Print the jobs, recovered batches and errors of the demo ledger."""
    folder = Folder(home)
    with Reader(folder.ledger) as reader:
        echo()
        _print_jobs(reader)
        _print_recoveries(reader)
        _print_errors(reader)
    echo()
    echo("Next steps:")
    echo(f"  export TITAN_HOME={home}")
    program = _program()
    for command, what in (
        (program, "the console"),
        (f"{program} status", "open batches and totals; --json for programs"),
        (f"{program} errors", "errored requests"),
        (f"{program} results TAG", "answers in input order"),
    ):
        echo(f"  {command:<{len(program) + 14}} {what}")
    staged = sorted(path.name for path in folder.staging.glob("*.jsonl"))
    if staged:
        files = pluralize(len(staged), "file")
        echo(f"Delivered {files} to {folder.staging}/ for the next job, for example {staged[-1]}")


def _program() -> str:
    """The command to type: the name if it is on PATH, else the full path."""
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
            **to_builtins(status_report.status(reader, now_ts=to_text(SystemClock().now()))),
            "staging": sorted(str(path) for path in folder.staging.glob("*.jsonl")),
        }


def _print_jobs(source: Source) -> None:
    batches = batch_list.closed_batches(source, limit=100)
    print_table(
        ("JOB", "REQUESTS", "SUCCEEDED", "ERRORED", "SYNC PRICE", "COST", "SAVED"),
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
    echo(
        f"{cells.count(totals.succeeded)} answers cost {_dollars(totals.cost_nano)} instead of"
        f" {_dollars(totals.sync_cost_nano)} synchronously:"
        f" {_dollars(totals.savings_nano)} saved. (Real prices, generated answers.)"
    )


def _dollars(nano: int) -> str:
    """With four decimals, so that the sums add up."""
    return f"${dollars(nano):,.4f}"


def _print_recoveries(source: Source) -> None:
    for batch in batch_list.closed_batches(source, limit=100):
        if _was_recovered(batch):
            echo(
                f"{batch.workflow}: the response to its create was lost. A poll identified the"
                " batch by the id embedded in its results: sent once, charged once."
            )


def _was_recovered(batch: Batch) -> bool:
    return batch.identified_by == "nonce" and batch.duplicate_of is None


def _print_errors(source: Source) -> None:
    failed = ledger_status.totals(source).failed_requests
    if failed:
        echo(f"{pluralize(failed, 'request')} errored at the API and were not billed.")
