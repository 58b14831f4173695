"""`titan-console doctor`: checks the installation, the ledger and the configuration."""

from collections.abc import Mapping, Sequence

import click

from core.config.settings import from_environment
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import json_option, print_json, print_table
from titan_console.doctor.checks import examine
from titan_console.doctor.finding import Health

_GLYPHS = {Health.OK: "✓", Health.WARN: "!", Health.BAD: "✗"}


@click.command
@click.option(
    "--check", "thorough", is_flag=True, help="Run a full integrity check of the ledger (slower)."
)
@click.option("--online", is_flag=True, help="Make one free, authenticated call to the API.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, thorough: bool, online: bool, as_json: bool) -> None:
    """Check the installation, the ledger and the configuration. Exits with 1 if a check fails."""
    settings = from_environment()
    findings = list(examine(settings, thorough=thorough, online=online, check_keys=_check_keys))
    is_bad = any(finding.health == Health.BAD for finding in findings)
    if as_json:
        print_json({"ok": not is_bad, "findings": findings})
    else:
        print_table(
            ("", "CHECK", "DETAIL"), ((_GLYPHS[f.health], f.what, f.detail) for f in findings)
        )
    ctx.exit(Exit.ATTENTION if is_bad else Exit.DONE)


def _check_keys(keys: Mapping[str, str]) -> Sequence[str]:
    from titan_console.tui import keymap  # noqa: PLC0415 - loads Textual, for remapped keys only

    return keymap.problems_in(keys)
