"""`titan-console rebuild`: a new ledger from the files beside a damaged one."""

import click
from msgspec import to_builtins

from core.bootstrap import open_engine, rebuild_ledger
from core.config.settings import Settings, from_environment
from core.errors import ApiError, InputError, SettingsError
from core.intake.rebuild import Rebuilt
from core.text import pluralize
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.queries import checkup
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_json


@click.command
@click.option("--yes", is_flag=True, help="Do it. Without this, only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> None:
    """Make a new ledger from the spool, the answers and the mirrors beside a damaged one.

    The old file is kept beside it. What the API still has is found again; what nobody remembers is
    listed as missing and not sent by itself. A poll follows where there is a key.
    """
    settings = from_environment()
    folder = Folder(settings.home)
    _refuse_a_sound_one(folder)
    if not yes:
        say(f"{folder.ledger} would be made anew; the old one is kept. Add --yes to do it.")
        ctx.exit(Exit.ATTENTION)
    rebuilt, kept = rebuild_ledger(settings, actor="cli")
    if as_json:
        print_json(to_builtins(rebuilt) | {"kept": str(kept) if kept else None})
    else:
        click.echo(_in_words(rebuilt))
    if kept:
        say(f"The old ledger is kept as {kept}.")
    _poll(settings)
    ctx.exit(Exit.ATTENTION if rebuilt.missing else Exit.DONE)


def _refuse_a_sound_one(folder: Folder) -> None:
    if not folder.ledger.exists():
        return
    try:
        damage = checkup.damage(folder.ledger, thorough=True)
    except LedgerError as error:
        damage = str(error)
    if damage is None:
        raise InputError(f"{folder.ledger} is whole: there is nothing to rebuild.")


def _in_words(rebuilt: Rebuilt) -> str:
    return (
        f"{pluralize(rebuilt.submissions, 'submission')}:"
        f" {pluralize(rebuilt.collected, 'batch', 'batches')} with their answers,"
        f" {rebuilt.open:,} to be found again, {pluralize(rebuilt.missing, 'request')} missing."
    )


def _poll(settings: Settings) -> None:
    """Find what the API still has; the next poll of the poller does it as well."""
    try:
        with open_engine(settings, actor="cli") as engine:
            engine.poll()
    except (SettingsError, ApiError) as error:
        say(f"titan-console: {error}")
