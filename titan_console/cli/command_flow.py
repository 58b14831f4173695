"""The flow of an operator's command: select, preview, confirm, submit, poll, report."""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from core.bootstrap import open_engine
from core.commands import executor, planner
from core.commands.command_request import shortened, with_option
from core.commands.planner import CommandRequest, Plan
from core.commands.preview import Preview
from core.commands.waiting_reason import waits_for
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import SettingsError, problems_of
from core.reporting.command_report import as_report
from core.reporting.since import parse_since
from core.text import pluralize
from state.db.reader import Source
from state.model.errors import LedgerError
from state.model.records import REVIEW_REASONS, Outcome
from state.model.timestamps import to_text
from state.operations import commands
from state.operations.commands import Action, Command, CommandState
from state.operations.selection import Filter
from titan_console.cli.exit_codes import Exit, exit_code_after_command
from titan_console.cli.output import echo, is_terminal, json_option, print_fields, print_json
from titan_console.cli.stderr import print_problems, print_stderr
from titan_console.text.poll_summary import one_line
from titan_console.text.preview_text import (
    batch_cost,
    cost_by_cache,
    names,
    samples_label,
    sync_cost,
    without_cost,
)

_WHAT = {Action.CANCEL: "batches", Action.PAUSE: "workflows", Action.RESUME: "workflows"}
_Options = tuple[Callable[[Any], Any], ...]
# A year.
_LONGEST_DELAY_S = 8784 * 3600
_SELECTION: _Options = (
    click.argument("names", nargs=-1, metavar="[KEY|TAG|CUSTOM_ID|TAG/CUSTOM_ID]..."),
    click.option("--workflow", help="Only requests of this workflow."),
    click.option(
        "--outcome",
        type=click.Choice([o.value for o in Outcome]),
        help="Only requests with this outcome.",
    ),
    click.option(
        "--error-type", help="Only requests with this error type, for example overloaded_error."
    ),
    click.option(
        "--stop-reason",
        type=click.Choice(REVIEW_REASONS),
        help="Only answers with this stop reason; invalid means that the answer does not match its"
        " schema.",
    ),
    click.option(
        "--since",
        help="Only requests submitted since this time: 1h, today, 30d or a UTC date.",
    ),
)
_WORKFLOWS: _Options = (click.argument("names", nargs=-1, metavar="WORKFLOW..."),)
_COMMON: _Options = (
    click.option("--reason", default="", help="Reason, stored in the event log."),
    click.option(
        "--delay",
        type=click.IntRange(0, _LONGEST_DELAY_S),
        default=0,
        help="Seconds before it starts; until then it can be withdrawn.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the preview and change nothing."),
    click.option("--yes", is_flag=True, help="Skip the confirmation prompt."),
    json_option,
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the actions on requests and batches."""
    return _with(command, _SELECTION + _COMMON)


def workflow_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the actions on whole workflows."""
    return _with(command, _WORKFLOWS + _COMMON)


def _with(command: Callable[..., Any], chosen: _Options) -> Callable[..., Any]:
    for option in reversed(chosen):
        command = option(command)
    return command


def run(action: Action, given: dict[str, Any], **request: Any) -> int:  # noqa: ANN401 - the action's own options
    """Plan the action, confirm it, submit the command and poll once; the exit code."""
    with open_engine(from_environment(), actor="cli", creates=False) as engine:
        wanted = _wanted(**given, now=engine.context.clock.now())
        planned = planner.plan(
            engine.context,
            CommandRequest(action=action, wanted=wanted, reason=given["reason"], **request),
        )
        delay = timedelta(seconds=given["delay"])
        if delay:
            shown = with_option(planned.preview.cli, "--delay", str(given["delay"]))
            planned = replace(planned, preview=replace(planned.preview, cli=shown))
        if not _is_confirmed(engine, planned, given):
            return Exit.DONE
        command, is_new = planner.submit(engine.context, planned, delay=delay)
        if not is_new:
            print_stderr(
                f"The same command has not ended yet: {command.key}; no second one is stored."
            )
        return _finish(engine, command, as_json=given["as_json"])


def _wanted(
    *,
    now: datetime,
    names: tuple[str, ...],
    workflow: str | None = None,
    outcome: str | None = None,
    error_type: str | None = None,
    stop_reason: str | None = None,
    since: str | None = None,
    **_common: object,
) -> Filter:
    return Filter(
        names=names,
        workflow=workflow,
        outcome=Outcome(outcome) if outcome else None,
        error_type=error_type,
        stop_reason=stop_reason,
        since_ts=to_text(parse_since(since, now)) if since is not None else None,
    )


def _is_confirmed(engine: Engine, planned: Plan, given: dict[str, Any]) -> bool:
    """Show the preview; ask for confirmation unless `--yes` was given."""
    try:
        if given["dry_run"]:
            _show(planned.preview, as_json=given["as_json"])
            planner.discard(engine.context, planned)
            return False
        if not given["yes"]:
            ask(_fields(planned.preview), as_json=given["as_json"])
    except (click.Abort, click.UsageError):
        planner.discard(engine.context, planned)
        raise
    return True


def _show(preview: Preview, *, as_json: bool) -> None:
    if as_json:
        print_json(preview.as_json())
        return
    print_fields(_fields(preview))


def _fields(preview: Preview) -> list[tuple[str, str]]:
    what = _WHAT.get(preview.action, "requests")
    costs = f"in a batch {batch_cost(preview)}; synchronously {sync_cost(preview)}"
    return [
        (preview.action.value, f"{preview.count:,} {what if preview.count != 1 else _one(what)}"),
        (samples_label(preview), names(preview)),
        ("cost", costs if preview.batch_cost_nano != 0 else without_cost(preview)),
        ("cache", cost_by_cache(preview)),
        ("deadline", ", ".join(preview.deadlines)),
        *(("skipped", sentence) for sentence in preview.skipped_sentences()),
        *(("note", note) for note in preview.notes),
        ("command", shortened(preview.cli)),
    ]


def _one(plural: str) -> str:
    return "batch" if plural == "batches" else plural.removesuffix("s")


def ask(fields: list[tuple[str, str]], *, as_json: bool) -> None:
    """Ask for confirmation. The preview goes to stderr, like the question."""
    can_answer = is_terminal(sys.stdin)
    for name, value in fields if can_answer or not as_json else ():
        if value:
            print_stderr(f"{name:<12} {value}")
    if not can_answer:
        raise click.UsageError(
            "Standard input is not a terminal; pass --yes to confirm, or --dry-run"
        )
    click.confirm("Continue?", abort=True, err=True)


def _finish(engine: Engine, command: Command, *, as_json: bool) -> int:
    """Poll once so that the command runs now; a delayed one is left to a later poll."""
    context = engine.context
    polled = Polled([])
    if command.not_before_ts <= context.ledger.now_text():
        if command.action == Action.PAUSE:
            # A poll that is sending right now must see the pause, not only the next one.
            executor.advance(context, command)
        polled = poll_once(engine)
    command = commands.get(context.ledger, command.id)
    if as_json:
        print_json(as_report(command, waits_for(context.ledger, command)))
    else:
        echo(command.key)
        print_stderr(command.outcome or _unfinished(context.ledger, command))
        if polled.note:
            print_stderr(polled.note)
    problems = polled.problems
    print_problems(problem for problem in problems if not problem.startswith(f"{command.key} "))
    return exit_code_after_command(command, problems)


class Polled(Struct, frozen=True):
    """The poll after a command: its problems, and what it sent or why it did not run."""

    problems: list[str]
    note: str = ""


def poll_once(engine: Engine) -> Polled:
    """Poll once. The command is stored, so that a later poll runs it where this one fails."""
    try:
        summary = engine.poll()
    except (SettingsError, LedgerError) as error:
        return Polled(problems_of(error))
    if not summary.ran:
        return Polled([], one_line(summary))
    sent = f"Sent {pluralize(summary.sent, 'batch', 'batches')}." if summary.sent else ""
    return Polled(summary.problems, sent)


def _unfinished(source: Source, command: Command) -> str:
    if command.state == CommandState.PENDING:
        return (
            f"Starts at {command.not_before_ts}; to withdraw it before then:"
            f" titan-console withdraw {command.key}"
        )
    waiting = waits_for(source, command)
    reason = f": {waiting.text}" if waiting else ""
    return f"Not finished yet{reason}. The next poll continues it."
