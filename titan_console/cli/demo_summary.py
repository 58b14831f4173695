"""The summary at the end of the demo: jobs, savings, and what to try next."""

from pathlib import Path

from msgspec import to_builtins

from core.clock import SystemClock
from core.money.pricing import dollars
from core.reporting import json_reports, status_report
from core.text import pluralize
from state.db.opening import open_reader
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import Batch
from state.model.timestamps import to_text
from state.queries import batch_list, ledger_status, spending
from state.queries.ledger_status import Totals
from state.queries.spending import Spending
from titan_console.cli.output import echo, print_table
from titan_console.session.program import program
from titan_console.text import format as cells

# More than a month of the demo has.
_MOST_BATCHES = 1000
_EVER = "1970-01-01T00:00:00.000Z"


def print_summary(home: Path) -> None:
    """Print the jobs, recovered batches and errors of the demo ledger."""
    folder = Folder(home)
    with open_reader(folder) as reader:
        echo()
        _print_jobs(reader)
        _print_recoveries(reader)
    echo()
    echo("The demo's API has ended. Next steps:")
    echo(f"  export TITAN_HOME={home}")
    name = program()
    for command, what in (
        (name, "the console"),
        (f"{name} status", "open batches and totals; --json for programs"),
        (f"{name} errors", "errored requests"),
        (f"{name} results TAG", "answers in input order"),
    ):
        echo(f"  {command:<{len(name) + 14}} {what}")
    staged = sorted(path.name for path in folder.staging.glob("*.jsonl"))
    if staged:
        files = pluralize(len(staged), "file")
        echo(f"Delivered {files} to {folder.staging}/ for the next job, for example {staged[-1]}")


def report(home: Path) -> dict[str, object]:
    """The same for programs."""
    folder = Folder(home)
    with open_reader(folder) as reader:
        batches = sorted(batch_list.closed_batches(reader, limit=100), key=lambda batch: batch.id)
        return {
            "home": str(home),
            "batches": [json_reports.batch(batch) for batch in batches],
            **to_builtins(status_report.status(reader, now_ts=to_text(SystemClock().now()))),
            "staging": sorted(str(path) for path in folder.staging.glob("*.jsonl")),
        }


def _print_jobs(source: Source) -> None:
    """One line for each job, as the demo has a month of batches, and the sums of these lines."""
    rows = spending.spending(source, "workflow", since_ts=_EVER)
    print_table(
        ("JOB", "ATTEMPTS", "SUCCEEDED", "ERRORED", "OTHER", "SYNC PRICE", "COST", "SAVED"),
        [
            (
                row.name,
                cells.count(row.attempts),
                cells.count(row.succeeded),
                cells.count(row.errored),
                cells.count(_others(row)),
                cells.sum_of_money(row.sync_cost_nano, row.unpriced),
                cells.sum_of_money(row.cost_nano, row.unpriced),
                cells.sum_of_money(row.savings_nano, row.unpriced),
            )
            for row in rows
        ],
    )
    if rows:
        _print_sums(spending.added("", rows), ledger_status.totals(source))


def _print_sums(sums: Spending, totals: Totals) -> None:
    """The sums of attempts; then the requests that have no answer, errored or not ended."""
    echo(
        f"{pluralize(sums.succeeded, 'answer')} cost {_dollars(sums.cost_nano)} instead of"
        f" {_dollars(sums.sync_cost_nano)} synchronously:"
        f" {_dollars(sums.savings_nano)} saved. (Real prices, generated answers.)"
    )
    if sums.errored:
        echo(f"{pluralize(sums.errored, 'attempt')} errored at the API and were not billed.")
    if other := _others(sums):
        echo(f"Other: {pluralize(other, 'attempt')} canceled, expired or without a result.")
    if errored := totals.failed_requests:
        echo(f"{_unanswered(errored)} on the Errors screen.")
    if still := totals.queued_requests + totals.in_flight_requests:
        many = pluralize(still, "request is", "requests are")
        echo(f"{many} queued or in progress; the table counts attempts that have ended.")


def _unanswered(count: int) -> str:
    them = "it" if count == 1 else "them"
    return f"{pluralize(count, 'request has', 'requests have')} no answer. Replay {them}"


def _others(sums: Spending) -> int:
    return sums.attempts - sums.succeeded - sums.errored


def _dollars(nano: int) -> str:
    """With four decimals, so that the sums add up."""
    return f"${dollars(nano):,.4f}"


def _print_recoveries(source: Source) -> None:
    found = sum(map(_was_recovered, batch_list.closed_batches(source, limit=_MOST_BATCHES)))
    if found:
        echo(
            f"{pluralize(found, 'batch was', 'batches were')} created despite a lost response."
            " A poll identified each by the id embedded in its results: sent once, charged"
            " once."
        )


def _was_recovered(batch: Batch) -> bool:
    return batch.identified_by == "nonce" and batch.duplicate_of is None
