"""`titan-console scan`: what of a fleet of tasks can move to batches, and what it saves."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import click

from core.clock import SystemClock
from core.config import scan_file, titan_file
from core.config.scan_file import ScanRecord
from core.config.settings import claude_folders, from_environment
from core.money.kpis import MONTH_DAYS
from core.money.pricing import PriceBook
from core.reporting.ledger_time import ledger_now
from core.scan import attribution, findings, transcripts
from core.scan.attribution import Attributed, Measured
from core.scan.findings import Finding, job_name
from core.scan.job_tables import proposed, scanned, without_schedule
from core.scan.python_change import Change, change_of
from core.scan.score import Verdict
from core.scan.survey import Survey, survey
from core.scan.task import Runner
from core.scan.text_file import read_text
from core.scan.transcripts import Recorded
from core.text import pluralize
from state.db.opening import reader_if_any
from state.files.folder import Folder
from state.model.records import BatchKind
from state.model.timestamps import to_text
from state.queries import kpi_figures, spending
from titan_console.cli import scan_text
from titan_console.cli.output import is_terminal, print_json
from titan_console.cli.stderr import print_stderr

_UNIX = ("/etc/crontab", "/etc/cron.d", "/etc/systemd/system")
_CRONTAB = ("crontab of this user", ("crontab", "-l"))
_WINDOWS = ("Task Scheduler", ("schtasks", "/query", "/xml", "ONE"))


@click.command
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--no-usage", is_flag=True, help="Do not read the transcripts of Claude Code.")
@click.option("--all", "show_all", is_flag=True, help="Also list what calls no model.")
@click.option(
    "--diff",
    "with_diff",
    is_flag=True,
    help="Also show what the change of each Python job would look like; changes no script.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Add the jobs to titan.toml, and let the KPIs count them. Shows a preview first.",
)
@click.option("--yes", is_flag=True, help="With --write: skip the confirmation prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    folders: tuple[Path, ...],
    no_usage: bool,
    show_all: bool,
    with_diff: bool,
    write: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List which scheduled tasks and skills can move to batches, which must stay, and why.

    Reads SKILL.md folders, crontabs, systemd timers and exported tasks of the Windows Task
    Scheduler below each DIR; without DIR, those of this account. Token usage comes from the
    transcripts of Claude Code: counts, model, folder and the beginning of each prompt. Nothing is
    run, and nothing leaves this machine.
    """
    if yes and not write:
        raise click.UsageError("--yes requires --write.")
    folder = from_environment().folder
    titan_toml = titan_file.read_strictly(folder)
    read = _survey(folders)
    prices = PriceBook.with_cache(folder, titan_toml)
    recorded, usage = _usage(read, prices, wanted=not no_usage)
    ledger = _of_ledger(folder)
    found = findings.judge(
        read.tasks,
        {**ledger.measured, **usage.by_task},
        titan_toml.never_batch,
        prices,
        at=SystemClock().now(),
        in_batches=ledger.in_batches,
    )
    if not as_json:
        scan_text.show(found, read, recorded, usage, show_all=show_all)
    changes = _changes(found) if with_diff else {}
    for place, change in () if as_json else changes.items():
        scan_text.show_change(place, change)
    added = _write(folder, found, yes=yes, as_json=as_json) if write else []
    if as_json:
        report = scan_text.report(found, read, recorded, usage)
        print_json(report | scan_text.change_report(changes, added))


class _Ledger(NamedTuple):
    """What the ledger knows of the last 30 days, by workflow."""

    measured: dict[str, Measured]
    in_batches: frozenset[str]


def _of_ledger(folder: Folder) -> _Ledger:
    with reader_if_any(folder) as reader:
        if reader is None:
            return _Ledger({}, frozenset())
        since = str(ledger_now(reader).date() - timedelta(days=MONTH_DAYS - 1))
        sums = spending.by_day_column(reader, "workflow", since_day=since)
        volumes = kpi_figures.volumes(reader, since_day=since)
    measured = {
        one.name: Measured(
            days=MONTH_DAYS,
            tokens_in=one.tokens_in,
            tokens_out=one.tokens_out,
            cost_nano=one.sync_cost_nano,
            unpriced=one.unpriced,
        )
        for one in sums
    }
    batched = {one.workflow for one in volumes if one.kind == BatchKind.BATCH and one.tokens}
    return _Ledger(measured, frozenset(batched))


def _changes(found: Sequence[Finding]) -> dict[str, Change]:
    """The change of each Python job that can move, by its script."""
    changes = dict[str, Change]()
    for one in found:
        script = one.task.script
        is_python = one.task.runner == Runner.PYTHON
        if script is not None and is_python and one.score.verdict == Verdict.MOVE:
            changes[str(script)] = _change(script, job_name(one.task.name))
    return changes


def _change(script: Path, job: str) -> Change:
    try:
        text, is_cut = read_text(script)
        # A diff of its beginning would have other lines at the end.
        if is_cut:
            return Change(by_hand=["the script is too long to be read whole"])
        change = change_of(text, script.name, job)
    except (OSError, SyntaxError, ValueError) as error:
        return Change(by_hand=[f"cannot read the script: {error}"])
    if change == Change():
        return Change(by_hand=["a module that it imports calls the model"])
    return change


def _write(folder: Folder, found: Sequence[Finding], *, yes: bool, as_json: bool) -> list[str]:
    """Show what would be added, ask, and write titan.toml and scan.json; the names added."""
    jobs, volumes = proposed(found), scanned(found)
    text, path = titan_file.addition(folder, jobs), titan_file.path_of(folder)
    if not as_json:
        scan_text.show_addition(text, path, without_schedule(found))
    if not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError("Standard input is not a terminal; pass --yes to write")
        click.confirm("Write?", abort=True, err=True)
    added = titan_file.add(folder, jobs) if text else []
    now = to_text(SystemClock().now())
    scan_file.write(folder, ScanRecord(scanned_ts=now, jobs=volumes))
    if not as_json:
        print_stderr(
            f"{pluralize(len(added), 'job')} added to {path}; the KPIs count"
            f" {pluralize(len(volumes), 'job')} of this scan."
        )
    return added


def _survey(folders: tuple[Path, ...]) -> Survey:
    if folders:
        return survey([path.expanduser() for path in folders])
    claude = [
        path / name
        for path in claude_folders()
        for name in ("scheduled-tasks", "skills", "projects")
        if (path / name).is_dir()
    ]
    if sys.platform == "win32":
        return survey(claude, [_WINDOWS])
    units = [Path.home() / ".config" / "systemd" / "user", *map(Path, _UNIX)]
    return survey([*claude, *(path for path in units if path.exists())], [_CRONTAB])


def _usage(found: Survey, prices: PriceBook, *, wanted: bool) -> tuple[Recorded, Attributed]:
    if not wanted:
        return Recorded(), Attributed(by_task={}, others=Measured(days=MONTH_DAYS))
    recorded = transcripts.read_usage_of(
        found.transcripts,
        prices,
        now=SystemClock().now(),
        days=MONTH_DAYS,
        problems=found.problems,
    )
    return recorded, attribution.attribute(recorded, found.tasks, days=MONTH_DAYS)
