"""`titan-console wait`: waits until requests have ended; the exit code says how."""

import click

from core.clock import SystemClock
from core.config.settings import from_environment
from core.intake.request_statuses import RequestStatuses, report
from core.text import pluralize
from state.model.records import RequestStatus
from titan_console.cli import progress
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.cli.waiter import Waiter, every_option, limits, timeout_option
from titan_console.text import format as cells
from titan_console.text.safe_text import clean


@click.command
@click.argument("name", metavar="TAG|KEY")
@every_option
@timeout_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, name: str, every_text: str, timeout_text: str | None, as_json: bool
) -> None:
    """Wait until every request of a tag, submission or batch has ended.

    Polls the API at once and then regularly. Without an API key it waits for the scheduled poller.
    An API failure does not end the wait. A poll that has begun is finished, also after the timeout.

    Exits with 0 if all requests succeeded or were acknowledged, 1 if some failed, 4 if some are
    still running at the timeout.
    """
    every, timeout = limits(every_text, timeout_text)
    with progress.shown() as bar:
        waiter = Waiter(from_environment(), name, SystemClock(), bar)
        found = waiter.wait(every, timeout)
    if as_json:
        print_json(report(name, found, waited_s=waiter.waited_s, problems=waiter.problems))
    if found.is_settled and not as_json:
        echo(clean(_summary(name, found)))
    elif not found.is_settled:
        print_stderr(_summary(name, found))
    ctx.exit(_exit_code(found))


def _exit_code(found: RequestStatuses) -> Exit:
    if not found.is_finished:
        return Exit.RUNNING
    return Exit.DONE if found.is_settled else Exit.ATTENTION


def _summary(name: str, found: RequestStatuses) -> str:
    requests = pluralize(found.requests, "request")
    counts = ", ".join(
        f"{count:,} {cells.request_status(status).word}"
        for status in RequestStatus
        if (count := found.by_status.get(status, 0))
    )
    if found.follow_ups:
        counts += f", {found.follow_ups:,} to be asked again"
    if found.is_settled:
        return f"{name}: {requests} done ({counts})."
    if found.is_finished:
        return (
            f"{name}: {found.failed:,} of {requests} failed ({counts}). See: titan-console errors"
        )
    files = pluralize(found.fallback_files, "fallback file")
    kept = f"; {files} not imported" if found.fallback_files else ""
    return (
        f"{name}: {found.unfinished:,} of {requests} still running ({counts}{kept})."
        " See: titan-console status"
    )
