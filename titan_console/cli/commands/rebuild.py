"""`titan-console rebuild`: rebuilds a damaged ledger from the files beside it."""

import click
from msgspec import to_builtins

from core.bootstrap import FROM_SERVER, open_engine, rebuild_ledger
from core.clock import SystemClock
from core.config.settings import Settings, from_environment
from core.errors import ApiError, InputError, SettingsError, problems_of
from core.recovery.rebuild import RebuildSummary
from core.text import pluralize
from state.db import integrity
from state.db.ledger import Ledger
from state.db.opening import require_file
from state.files.folder import Folder
from state.model.errors import LedgerError
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_problems, print_stderr


@click.command
@click.option("--yes", is_flag=True, help="Rebuild. Without it, only print what is damaged.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> None:
    """Rebuild a damaged ledger from the files beside it: spool, results and `batch-jobs.jsonl`.

    The old file is kept. Batches that the API still has are recovered by a poll, which follows if
    an API key is set. Submissions that were not sent are queued; `batch-jobs.jsonl` shows which, if
    it is complete. A batch that had not been sent is looked for at the API before it is sent.
    Requests without a trace in any file get the outcome `missing` and are not sent again. Files and
    lines that cannot be used are named, with what to do; the exit code is then 1.
    """
    settings = from_environment()
    folder = settings.folder
    require_file(folder, FROM_SERVER)
    damage = _damage(folder)
    if not yes:
        print_stderr(damage)
        kept = " and keep the damaged file" if folder.ledger.exists() else " from these files"
        print_stderr(f"Pass --yes to rebuild {folder.ledger}{kept}.")
        ctx.exit(Exit.ATTENTION)
    rebuilt, kept = rebuild_ledger(settings, actor="cli", check=_damage)
    if as_json:
        print_json(to_builtins(rebuilt) | {"kept": str(kept) if kept else None})
    else:
        echo(_summary(rebuilt))
    for warning in rebuilt.warnings:
        print_stderr(warning)
    if kept:
        print_stderr(f"Kept the damaged ledger as {kept}.")
    problems = _poll(settings)
    print_problems(problems)
    needs_attention = rebuilt.missing or rebuilt.warnings or problems
    ctx.exit(Exit.ATTENTION if needs_attention else Exit.DONE)


def _damage(folder: Folder) -> str:
    """What is damaged. Raises InputError for a sound ledger, and the error of an unusable one.

    An older ledger is migrated first: one that cannot be migrated is damaged.
    """
    try:
        if integrity.is_older(folder.ledger):
            Ledger(folder.ledger, now=SystemClock().now, actor="cli").close()
        damage = integrity.damage(folder.ledger, thorough=True)
    except LedgerError as error:
        if not integrity.is_damage(error):
            raise
        if error.__cause__ is None:
            return str(error)
        damage = integrity.damage_text(error)
    if damage is None:
        raise InputError(f"{folder.ledger} passed the integrity check; nothing to rebuild.")
    return f"The ledger {folder.ledger} is damaged: {damage}."


def _summary(rebuilt: RebuildSummary) -> str:
    return (
        f"Rebuilt {pluralize(rebuilt.submissions, 'submission')}:"
        f" {pluralize(rebuilt.collected, 'batch', 'batches')} with results,"
        f" {rebuilt.open:,} to look up at the API, {pluralize(rebuilt.queued, 'request')} queued,"
        f" {rebuilt.missing:,} missing."
    )


def _poll(settings: Settings) -> list[str]:
    """Recover what the API still has, and return the problems; the next poll continues it."""
    try:
        with open_engine(settings, actor="cli") as engine:
            return engine.poll().problems
    except (SettingsError, ApiError) as error:
        return problems_of(error)
