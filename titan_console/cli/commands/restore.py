"""`titan-console restore`: lists the backups of the ledger, and puts one in its place."""

import sys
from pathlib import Path

import click
from msgspec import to_builtins

from core.bootstrap import FROM_SERVER, preview_restore, restore_ledger
from core.config.settings import from_environment
from core.errors import InputError
from core.recovery.restore import Losses, RestoreSummary
from core.text import pluralize
from state.db.opening import require_file
from state.model.timestamps import to_text
from state.recovery import backups
from state.recovery.backups import Backup
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import (
    echo,
    is_terminal,
    json_lines_option,
    print_json,
    print_rows,
)
from titan_console.cli.stderr import print_stderr
from titan_console.text import format as cells


@click.command
@click.argument("backup", required=False)
@click.option("--yes", is_flag=True, help="Skip the confirmation prompt.")
@json_lines_option
@click.pass_context
def command(ctx: click.Context, *, backup: str | None, yes: bool, as_json: bool) -> None:
    """List the backups of the ledger, or restore the one named BACKUP.

    Before asking, prints what is newer than the backup. Newer submissions and batches are imported
    from the spool, the results and `batch-jobs.jsonl`. Requests that may have run since the backup
    get the outcome `missing` and are not sent again. The replaced ledger is kept as a backup.
    """
    settings = from_environment()
    require_file(settings.folder, FROM_SERVER)
    found = backups.listed(settings.folder)
    if backup is None:
        _list(found, as_json=as_json)
        return
    path = _named(found, backup)
    _confirm(preview_restore(settings, path), path, yes=yes)
    done, kept = restore_ledger(settings, path, actor="cli")
    if as_json:
        print_json(to_builtins(done) | {"kept": str(kept) if kept else None})
    else:
        echo(_summary(done))
    for warning in done.warnings:
        print_stderr(warning)
    if kept:
        print_stderr(f"Kept the replaced ledger as {kept}.")
    for workflow in done.paused:
        print_stderr(
            f"Workflow {workflow} is paused: check its batches, then `titan-console resume`."
        )
    ctx.exit(Exit.ATTENTION if done.missing or done.paused or done.warnings else Exit.DONE)


def _list(found: list[Backup], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            print_json({"backup": one.path.name, "made_ts": to_text(one.made), "bytes": one.size})
        return
    print_rows(
        found,
        ("BACKUP", "MADE", "SIZE"),
        lambda one: (one.path.name, to_text(one.made), cells.size(one.size)),
        empty="No backups.",
    )


def _named(found: list[Backup], name: str) -> Path:
    for one in found:
        if name in (one.path.name, str(one.path)):
            return one.path
    raise InputError(f"Backup {name!r} not found; `titan-console restore` lists the backups.")


def _confirm(lost: Losses, path: Path, *, yes: bool) -> None:
    """The preview on stderr, like the question."""
    requests = pluralize(lost.requests, "request")
    counts = (
        f"{pluralize(len(lost.submissions), 'submission')},"
        f" {pluralize(len(lost.batches), 'batch', 'batches')} and"
        f" {'an unknown number of requests' if lost.unreadable else requests}"
    )
    is_newer = lost.submissions or lost.batches or lost.requests
    if is_newer:
        print_stderr(f"Newer than {path.name}: {counts}.")
    else:
        compared = "its files" if lost.unreadable else "the current ledger and its files"
        print_stderr(
            f"{path.name} has every submission and batch of {compared}. Newer results are imported"
            " from the files; newer events and commands are not."
        )
    if lost.unreadable:
        print_stderr(f"Cannot compare with the current ledger: {lost.unreadable}")
    # The first batch of a submission has its key.
    for key in sorted({*lost.submissions, *lost.batches}):
        print_stderr(f"  {key}")
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise click.UsageError("Standard input is not a terminal; pass --yes to restore")
    click.confirm("Restore?", abort=True, err=True)


def _summary(done: RestoreSummary) -> str:
    return (
        f"Restored; imported from files: {pluralize(done.submissions, 'submission')},"
        f" {pluralize(done.collected, 'batch', 'batches')} with results,"
        f" {done.open:,} to look up at the API, {pluralize(done.queued, 'request')} queued,"
        f" {done.missing:,} missing."
    )
