"""`titan-console ledger`: moves the ledger to another database, or goes on after a failover."""

import sys

import click
from msgspec import to_builtins

from core.bootstrap import copy_ledger, process_name
from core.clock import SystemClock
from core.config.settings import from_environment
from core.errors import InputError
from core.maintenance.ledger_copy import CopySummary
from core.recovery.accept_loss import accept_loss
from core.text import pluralize
from titan_console.cli import progress
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, is_terminal, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells


@click.group
def command() -> None:
    """Move the ledger to another database, or go on with one that lost transactions."""


@command.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@json_option
@click.pass_context
def copy(ctx: click.Context, *, source: str, target: str, yes: bool, as_json: bool) -> None:
    """Move the ledger FROM to the empty place TO, with its bodies and results.

    Each is a TITAN_HOME or the address of a PostgreSQL database (postgresql://HOST/DATABASE); one
    of them is a database. Every row and file is compared. Then FROM is marked as moved, so that no
    command writes or sends from it any more. A copy that is stopped changes nothing; run it again.
    """
    settings = from_environment()
    if not yes:
        _confirm("After the copy, no command uses FROM any more, on any host.", "Move the ledger?")
    with progress.shown() as bar:
        done = copy_ledger(settings, source, target, actor="cli", progress=bar)
    if as_json:
        print_json(report(done))
    else:
        echo(_summary(done))
    for warning in _warnings(done):
        print_stderr(warning)
    ctx.exit(Exit.ATTENTION if done.missing_files else Exit.DONE)


@command.command("accept-loss")
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@json_option
def accept(*, yes: bool, as_json: bool) -> None:
    """Go on with a PostgreSQL ledger whose server has lost transactions.

    Run it on each host that refuses the ledger, such as after a failover to a standby that lagged.
    What is queued may have been sent: polls look for it at the API before they send it. Open
    commands are ended. Submissions that are lost must be made again.
    """
    settings = from_environment()
    if settings.ledger_url is None:
        raise InputError("The ledger is a file: use `restore`.", code="ledger_of_a_file")
    if not yes:
        _confirm("What was stored in the lost transactions stays lost.", "Go on with this ledger?")
    done = accept_loss(
        settings.folder, actor=process_name("cli", settings.host), clock=SystemClock()
    )
    if as_json:
        print_json(to_builtins(done))
    else:
        batches = pluralize(done.batches, "queued batch", "queued batches")
        ended = pluralize(done.commands, "command")
        echo(f"Polls look for {batches} at the API before they send them; {ended} ended.")


def report(done: CopySummary) -> dict[str, object]:
    """The JSON object of a copy."""
    return to_builtins(done) | {"rows": done.rows, "replaced": done.replaced}


def _confirm(consequence: str, question: str) -> None:
    if not is_terminal(sys.stdin):
        raise click.UsageError("Standard input is not a terminal; pass --yes")
    print_stderr(consequence)
    click.confirm(question, abort=True, err=True)


def _summary(done: CopySummary) -> str:
    # The address as it is shown lacks the user and the parameters.
    use = (
        "Set TITAN_LEDGER to its address on every host"
        if done.is_shared
        else "Set TITAN_HOME to its folder and remove TITAN_LEDGER, on this machine only"
    )
    kept = f"{done.source} stays as it was, marked as moved."
    if done.is_resumed:
        return f"{done.target} had been copied completely by an earlier run. {use}. {kept}"
    return (
        f"Moved {pluralize(done.rows, 'row')} of {pluralize(len(done.tables), 'table')} and"
        f" {pluralize(done.files, 'file')} ({cells.size(done.file_bytes)}) to {done.target}; each"
        f" is equal. {use}. {kept}"
    )


def _warnings(done: CopySummary) -> list[str]:
    found = list[str]()
    if done.replaced:
        found.append(
            f"{pluralize(done.replaced, 'text')} had a NUL, which PostgreSQL cannot store: U+FFFD"
            " took its place."
        )
    if done.missing_files:
        found.append(
            f"{pluralize(len(done.missing_files), 'file')} of {done.source} that the ledger refers"
            f" to {'is' if len(done.missing_files) == 1 else 'are'} missing there too (first:"
            f" {done.missing_files[0]})."
        )
    return found
