"""`replay`, `cancel`, `sync`, `acknowledge`, `pause`, `resume`; `withdraw` and `commands`."""

from typing import IO, Any, cast

import click

from core.bootstrap import open_engine
from core.commands import planner
from core.commands.body_edits import Params, parse_changes
from core.commands.waiting_reason import Waiting, waits_for
from core.config.settings import from_environment
from core.errors import InputError, PayloadError
from core.intake.request_file import RequestFile
from core.reporting.command_report import as_report
from core.requests.model_limits import warnings_for
from state.operations.commands import Action, Command, count, latest
from titan_console.cli import command_flow
from titan_console.cli.holds import end_holds
from titan_console.cli.output import (
    json_lines_option,
    ledger_reader,
    limit_option,
    print_json,
    print_rest,
    print_rows,
    row_limit,
)
from titan_console.cli.request_files import RequestFileArgument
from titan_console.cli.stderr import print_stderr

_COMMANDS = 20


@click.command
@command_flow.options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a parameter of every request; repeatable.",
)
@click.option("--model", help="Use this model for every request.")
@click.option(
    "--edits",
    type=RequestFileArgument(),
    help="File of requests, as for submit; each replaces the whole request with its custom_id.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Include requests that would fail again or were acknowledged; with an edit, also"
    " requests that succeeded.",
)
@click.option(
    "--canary", is_flag=True, help="Send one request first, and the rest only if it succeeds."
)
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    settings: tuple[str, ...],
    model: str | None,
    edits: IO[bytes] | None,
    force: bool,
    canary: bool,
    **given: Any,  # noqa: ANN401 - the shared options
) -> None:
    """Run errored requests again in a new batch, under the same custom_ids.

    Requests that failed with invalid_request_error are skipped unless you edit them (--set, --model
    or --edits) or pass --force.
    """
    if model is not None and not model.strip():
        raise InputError("--model is empty: name a model or omit the option.")
    changes = parse_changes(settings) | ({"model": model} if model else {})
    for warning in warnings_for(filter(None, [str(changes.get("model") or "")])):
        print_stderr(f"titan-console: {warning}")
    bodies = _bodies(edits) if edits else {}
    ctx.exit(
        command_flow.run(
            Action.REPLAY, given, changes=changes, bodies=bodies, force=force, canary=canary
        )
    )


@click.command
@command_flow.options
@click.pass_context
def cancel(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Cancel the open batches that contain the named requests.

    Requests already answered are still billed, and their answers are kept.
    """
    ctx.exit(command_flow.run(Action.CANCEL, given))


@click.command
@command_flow.options
@click.pass_context
def sync(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Run requests without an answer synchronously, at full price.

    If at most half of a batch is selected, the batch continues, and a selected request that the
    batch answers too is charged twice. Otherwise the batch is canceled and its results are
    downloaded first; its requests that were not selected are queued again.
    """
    ctx.exit(command_flow.run(Action.SYNC, given))


@click.command
@command_flow.options
@click.pass_context
def acknowledge(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Acknowledge errored requests: they leave the list of errors and are not replayed.

    Selected answers that need review are accepted as they are and leave the list as well.
    """
    ctx.exit(command_flow.run(Action.ACKNOWLEDGE, given))


@click.command
@command_flow.workflow_options
@click.pass_context
def pause(ctx: click.Context, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Stop sending batches of the workflows until they are resumed.

    New submissions are stored and stay queued. Open batches continue, and requests still run
    synchronously before their deadline.
    """
    ctx.exit(command_flow.run(Action.PAUSE, given))


@click.command
@command_flow.workflow_options
@click.option(
    "--holds",
    is_flag=True,
    help="End every hold (rate limit, account problem, spend limit); takes no WORKFLOW.",
)
@click.pass_context
def resume(ctx: click.Context, *, holds: bool, **given: Any) -> None:  # noqa: ANN401 - the shared options
    """Resume paused workflows and send their queued requests.

    Also enables the cache priming of these workflows again, where it was stopped because two
    submissions cost more than without a cache.

    --holds ends the holds that `status` shows, and sends again at once instead of waiting.
    """
    ctx.exit(end_holds(given) if holds else command_flow.run(Action.RESUME, given))


@click.command
@click.argument("keys", nargs=-1, required=True, metavar="COMMAND...")
def withdraw(*, keys: tuple[str, ...]) -> None:
    """Withdraw commands that have not started, by the keys that `commands` lists."""
    with open_engine(from_environment(), actor="cli", creates=False) as engine:
        planner.withdraw(engine.context, keys)
    print_stderr(f"Withdrawn: {', '.join(keys)}.")


@click.command
@limit_option(_COMMANDS)
@json_lines_option
def commands(*, limit: int | None, as_json: bool) -> None:
    """List replays, cancels and other operator commands, newest first, with their results.

    A command is issued by an operator, or by a poll for a job with `replay = "auto"`.
    """
    with ledger_reader() as reader:
        found = latest(reader, limit=row_limit(limit, _COMMANDS, as_json=as_json))
        total = count(reader)
        waiting = {one.key: waits_for(reader, one) for one in found}
    print_rest(len(found), total, "commands")
    if as_json:
        for one in found:
            print_json(as_report(one, waiting[one.key]))
        return
    header = ("COMMAND", "ACTION", "STATE", "ITEMS", "CREATED", "ACTOR", "RESULT")
    print_rows(found, header, lambda one: _cells(one, waiting[one.key]), empty="No commands.")


def _cells(c: Command, waiting: Waiting | None) -> tuple[str, ...]:
    result = c.outcome or (waiting.text if waiting else "")
    return (c.key, c.action, c.state, f"{c.item_count:,}", c.created_ts, c.who, result)


def _bodies(file: IO[bytes]) -> dict[str, Params]:
    """The params of each request by custom_id, in our request format or the API's."""
    bodies: dict[str, Params] = {}
    source = RequestFile(file)
    for request in source:
        fields = cast("dict[str, Any]", request) if isinstance(request, dict) else {}
        custom_id = fields.pop("custom_id", None)
        if not isinstance(custom_id, str):
            message = f"{source.name} line {source.line}: a request without a custom_id."
            raise PayloadError(message, code="custom_id_missing")
        bodies[custom_id] = fields.get("params", fields)
    return bodies
