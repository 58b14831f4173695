"""What the operator's commands share: names and filters, the receipt, the question, the poll."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from msgspec import Struct

from core.bootstrap import open_engine
from core.commands import executor, planner
from core.commands.planner import CommandRequest, Plan
from core.commands.preview import Preview
from core.config.settings import from_environment
from core.engine import Engine
from core.errors import SettingsError
from state.model.records import REVIEW_STOP_REASONS, Outcome
from state.model.timestamps import to_text
from state.operations import commands
from state.operations.commands import Action, Command, CommandState
from state.operations.selection import Filter
from titan_console.cli.diagnostics import Exit, say
from titan_console.cli.output import print_fields, print_json
from titan_console.text import format as cells

_WHAT = {Action.CANCEL: "batches", Action.PAUSE: "workflows", Action.RESUME: "workflows"}
_Options = tuple[Callable[[Any], Any], ...]
_WHICH: _Options = (
    click.argument("names", nargs=-1, metavar="[KEY|TAG|CUSTOM_ID]..."),
    click.option("--workflow", help="Only of this workflow."),
    click.option("--outcome", type=click.Choice([o.value for o in Outcome]), help="Only these."),
    click.option("--error-type", help="Only those that failed with it, as overloaded_error."),
    click.option(
        "--stop-reason",
        type=click.Choice(REVIEW_STOP_REASONS),
        help="Only those whose answer ended so.",
    ),
    click.option("--since", help="Only what was submitted since, as 2026-05-02."),
)
_WORKFLOWS: _Options = (click.argument("names", nargs=-1, metavar="WORKFLOW..."),)
_HOW: _Options = (
    click.option("--reason", default="", help="Kept in the event log."),
    click.option(
        "--delay",
        type=click.IntRange(min=0),
        default=0,
        help="Seconds during which `withdraw` takes it back.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the receipt, and change nothing."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the verbs that are about requests and batches."""
    return _with(command, _WHICH + _HOW)


def workflow_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the verbs that are about whole workflows."""
    return _with(command, _WORKFLOWS + _HOW)


def _with(command: Callable[..., Any], chosen: _Options) -> Callable[..., Any]:
    for option in reversed(chosen):
        command = option(command)
    return command


def run(action: Action, given: dict[str, Any], **request: Any) -> int:  # noqa: ANN401 - the verb's own options
    """Plan the action, show its preview, ask, write the command and poll. Returns the exit code."""
    wanted = _wanted(**given)
    with open_engine(from_environment(), actor="cli") as engine:
        planned = planner.plan(
            engine.context,
            CommandRequest(action=action, wanted=wanted, reason=given["reason"], **request),
        )
        if not _is_wanted(engine, planned, given):
            return Exit.DONE
        delay = timedelta(seconds=given["delay"])
        command, is_new = planner.submit(engine.context, planned, delay=delay)
        if not is_new:
            say(f"The same has been asked for already, as {command.key}.")
        return _finish(engine, command, as_json=given["as_json"])


def _wanted(
    *,
    names: tuple[str, ...],
    workflow: str | None = None,
    outcome: str | None = None,
    error_type: str | None = None,
    stop_reason: str | None = None,
    since: str | None = None,
    **_how: object,
) -> Filter:
    return Filter(
        names=names,
        workflow=workflow,
        outcome=Outcome(outcome) if outcome else None,
        error_type=error_type,
        stop_reason=stop_reason,
        since_ts=_since(since),
    )


def _is_wanted(engine: Engine, planned: Plan, given: dict[str, Any]) -> bool:
    """Show the receipt, and ask where that is due."""
    try:
        if given["dry_run"]:
            _show(planned.preview, as_json=given["as_json"])
            planner.discard(engine.context, planned)
            return False
        if not given["yes"]:
            _ask(planned.preview)
    except (click.Abort, click.UsageError):
        planner.discard(engine.context, planned)
        raise
    return True


def _since(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--since {text!r} is no date, such as 2026-05-02.") from None
    return to_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _show(preview: Preview, *, as_json: bool) -> None:
    if as_json:
        print_json(preview.as_json())
        return
    print_fields(_fields(preview))


def _fields(preview: Preview) -> list[tuple[str, str]]:
    what = _WHAT.get(preview.action, "requests")
    costs = (
        f"about {cells.money(preview.batch_cost_nano)} in batch,"
        f" {cells.money(preview.sync_cost_nano)} synchronously"
    )
    return [
        (preview.action.value, f"{preview.count:,} {what}"),
        ("for example", ", ".join(preview.samples)),
        ("cost", costs if preview.batch_cost_nano != 0 else "nothing"),
        ("due", ", ".join(preview.deadlines)),
        *(("skipped", f"{count:,} {reason}") for reason, count in preview.skipped.items()),
        *(("note", note) for note in preview.notes),
        ("the same as", preview.cli),
    ]


def _ask(preview: Preview) -> None:
    """The receipt goes to stderr, where the question stands."""
    for name, value in _fields(preview):
        if value:
            say(f"{name:<12} {value}")
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to confirm it: add --yes, or look with --dry-run.")
    click.confirm("Do it?", abort=True, err=True)


def _finish(engine: Engine, command: Command, *, as_json: bool) -> int:
    """Make the poll that carries it out; with a delay, a later one does."""
    context = engine.context
    problems: list[str] = []
    if command.not_before_ts <= context.ledger.now_text():
        if command.action == Action.PAUSE:
            # A poll that is sending at this moment must hear of it, not only the next one.
            executor.advance(context, command)
        try:
            problems = engine.poll().problems
        except SettingsError as error:
            problems = [str(error)]
    command = commands.get(context.ledger, command.id)
    if as_json:
        print_json(as_report(command))
    else:
        click.echo(command.key)
        say(command.outcome or _still(command))
    for trouble in dict.fromkeys(problems):
        say(f"titan-console: {trouble}")
    is_well = command.state in (CommandState.DONE, CommandState.PENDING) and not problems
    return Exit.DONE if is_well else Exit.ATTENTION


def _still(command: Command) -> str:
    if command.state == CommandState.PENDING:
        return (
            f"It is carried out from {command.not_before_ts} on;"
            f" until then: titan-console withdraw {command.key}"
        )
    return "It is under way; the next polls go on with it."


class CommandReport(Struct, frozen=True, kw_only=True):
    """A command as JSON. `verb` is the old name of `action`, kept for one release."""

    command: str
    action: Action
    verb: Action
    state: CommandState
    items: int
    who: str
    reason: str
    given_ts: str
    not_before_ts: str
    ended_ts: str | None
    outcome: str | None


def as_report(command: Command) -> CommandReport:
    """A command as JSON."""
    return CommandReport(
        command=command.key,
        action=command.action,
        verb=command.action,
        state=command.state,
        items=command.item_count,
        who=command.who,
        reason=command.reason,
        given_ts=command.created_ts,
        not_before_ts=command.not_before_ts,
        ended_ts=command.ended_ts,
        outcome=command.outcome,
    )
