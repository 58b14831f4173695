"""`titan-console schedule`: shows, installs or removes the 15-minute poller."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import account, claude_folder, client_environment, from_environment
from core.money.pricing import PriceBook
from state.files import windows_calls
from state.files.folder import Folder
from titan_console.cli.exit_codes import Exit
from titan_console.cli.output import echo, json_option, print_json
from titan_console.cli.stderr import print_stderr
from titan_console.schedule import skill
from titan_console.schedule.installers import Kind, files, installation, removal, usual
from titan_console.schedule.poller import NAME, Poller
from titan_console.schedule.poller_variables import Variable, described
from titan_console.schedule.steps import Plan, carry_out
from titan_console.schedule.windows import example, xml

_KINDS = click.Choice([kind.value for kind in Kind])


class FileReport(Struct, frozen=True, kw_only=True):
    """A file of a scheduler."""

    path: str
    text: str


class PollerFilesReport(Struct, frozen=True, kw_only=True):
    """The files and commands with which a scheduler runs the poller."""

    kind: Kind
    name: str
    home: str
    python: str
    files: list[FileReport]
    hints: list[str]


class InstallReport(Struct, frozen=True, kw_only=True):
    """The steps of an installation or a removal, done or planned."""

    name: str
    home: str
    dry_run: bool
    steps: list[str]
    failed: list[str]
    hints: Sequence[str]
    environment: Sequence[Variable] = ()


@click.command
@click.argument("kind", metavar="[KIND]", type=_KINDS, required=False)
@click.option("--install", type=_KINDS, help="Install the poller with this scheduler.")
@click.option("--uninstall", type=_KINDS, help="Remove the poller from this scheduler.")
@click.option(
    "--name",
    default=NAME,
    show_default=True,
    help="Name of the schedule; each TITAN_HOME needs its own.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="With --install or --uninstall: print the steps and change nothing.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    kind: str | None,
    install: str | None,
    uninstall: str | None,
    name: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show, install or remove the schedule that polls every 15 minutes.

    KIND is a scheduler; the default is that of this machine. cron: a marked block in your crontab.
    systemd: a user timer. windows: a scheduled task. skill: a task for an AI agent,
    scheduled-tasks/NAME/SKILL.md in ~/.claude or CLAUDE_CONFIG_DIR; each of its sessions costs
    tokens, so prefer the others. The API key is never part of the schedule.
    """
    _check(kind, install, uninstall, dry_run=dry_run)
    settings = from_environment()
    poller = Poller(
        python=sys.executable,
        home=os.path.abspath(settings.home),  # noqa: PTH100 - links stay as they are
        name=name,
        user=account(),
        agent_folder=str(claude_folder()),
    )
    costs = _costs(poller) if Kind.SKILL in (kind, install) else []
    if not install and not uninstall:
        _show(Kind(kind) if kind else usual(), poller, costs, as_json=as_json)
        return
    plan = (
        installation(Kind(install), poller, client_environment(settings))
        if install
        else removal(Kind(uninstall or ""), poller)
    )
    plan = replace(plan, hints=[*plan.hints, *costs])
    failed = [] if dry_run else carry_out(plan)
    _report(plan, poller, failed, dry_run=dry_run, is_removal=not install, as_json=as_json)
    ctx.exit(Exit.DONE if plan.reached_end and not failed else Exit.ATTENTION)


def _check(kind: str | None, install: str | None, uninstall: str | None, *, dry_run: bool) -> None:
    if sum(map(bool, (kind, install, uninstall))) > 1:
        raise click.UsageError("KIND, --install and --uninstall cannot be combined.")
    if dry_run and not install and not uninstall:
        raise click.UsageError("--dry-run requires --install or --uninstall.")


def _costs(poller: Poller) -> list[str]:
    folder = Folder(Path(poller.home))
    prices = PriceBook.with_cache(folder, titan_file.read(folder))
    return [skill.cost(prices, SystemClock().now())]


def _show(kind: Kind, poller: Poller, costs: list[str], *, as_json: bool) -> None:
    is_elsewhere = kind == Kind.WINDOWS and not windows_calls.is_windows()
    shown = {"task.xml": xml(poller := example(poller))} if is_elsewhere else files(kind, poller)
    if as_json:
        made = [FileReport(path=path, text=text) for path, text in shown.items()]
        print_json(
            PollerFilesReport(
                kind=kind,
                name=poller.name,
                home=poller.home,
                python=poller.python,
                files=made,
                hints=costs,
            )
        )
        return
    for path, text in shown.items():
        if len(shown) > 1:
            echo(f"# {path}")
        echo(text)
    if is_elsewhere:
        print_stderr(
            "The paths are examples because this is not a Windows machine; replace them, or run"
            f" `titan-console schedule {kind}` there."
        )
        return
    for line in (*costs, f"To install this schedule: titan-console schedule --install {kind}"):
        print_stderr(line)


def _report(
    plan: Plan,
    poller: Poller,
    failed: list[str],
    *,
    dry_run: bool,
    is_removal: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            InstallReport(
                name=poller.name,
                home=poller.home,
                dry_run=dry_run,
                steps=[str(step) for step in plan.steps],
                failed=failed,
                hints=plan.hints,
                environment=plan.variables,
            )
        )
        return
    for step in plan.steps:
        if not any(line.startswith(f"Could not {step}:") for line in failed):
            echo(f"would {step}" if dry_run else f"done: {step}")
    if not plan.steps:
        no_schedule = f"no schedule named {poller.name} is installed"
        echo(f"Nothing to do: {no_schedule if is_removal else 'already up to date'}.")
    elif dry_run:
        print_stderr("`titan-console schedule KIND` prints the entry or files of a scheduler.")
    found = [described(one, dry_run=dry_run) for one in plan.variables]
    for line in (*failed, *found, *plan.hints):
        print_stderr(line)
