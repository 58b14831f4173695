"""The operator's verbs: what is meant, what it would cost, and the command once it is wanted."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from core.batches.context import Context
from core.commands import body_edits, pausing, preview
from core.commands.cli_equivalent import command_line
from core.commands.eligibility import check_eligibility
from core.commands.preview import Preview
from core.commands.request import CommandRequest
from core.errors import PayloadError
from state.operations import commands, previews, selection
from state.operations.commands import Action, Command, Edit, NewCommand
from state.operations.selection import Selected

_ON_WORKFLOWS = (Action.PAUSE, Action.RESUME)


class Plan(Struct, frozen=True, kw_only=True):
    """A wish on exact ids, or on workflows by name, with its receipt."""

    command_request: CommandRequest
    preview: Preview
    items: tuple[int, ...] = ()
    workflows: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


def plan(context: Context, command_request: CommandRequest) -> Plan:
    """Find what is meant, and what it would do. Changes nothing in the ledger.

    Raises UnknownId for a name of nothing; PayloadError where nothing is left to do, or an edit
    makes a request invalid.
    """
    if command_request.wanted.is_empty:
        what = (
            "workflows"
            if command_request.action in _ON_WORKFLOWS
            else "keys, tags, custom_ids, or a filter"
        )
        raise PayloadError(f"Say what to {command_request.action}: {what}.")
    if command_request.action in _ON_WORKFLOWS:
        return _plan_workflows(context, command_request)
    if command_request.action == Action.CANCEL:
        return _plan_batches(context, command_request)
    return _plan_requests(context, command_request)


def _plan_workflows(context: Context, command_request: CommandRequest) -> Plan:
    chosen = pausing.choose(context, command_request.action, command_request.wanted)
    return Plan(
        command_request=command_request,
        workflows=tuple(chosen.taken),
        preview=preview.for_workflows(
            context, command_request.action, chosen, cli=command_line(command_request)
        ),
    )


def _plan_batches(context: Context, command_request: CommandRequest) -> Plan:
    batches = selection.open_batches(context.ledger, command_request.wanted)
    if not batches:
        raise PayloadError("Nothing of that is open any more; there is nothing to cancel.")
    cli = command_line(command_request, previews.batch_keys(context.ledger, batches))
    return Plan(
        command_request=command_request,
        items=tuple(batches),
        preview=preview.for_batches(context, batches, cli=cli),
    )


def _plan_requests(context: Context, command_request: CommandRequest) -> Plan:
    selected = selection.requests(context.ledger, command_request.wanted)
    if command_request.bodies:
        unknown = set(command_request.bodies) - {request.custom_id for request in selected}
        if unknown:
            raise PayloadError(f"The edit names {min(unknown)!r}, which is not among them.")
        selected = [request for request in selected if request.custom_id in command_request.bodies]
    edited = bool(command_request.changes or command_request.bodies)
    eligibility = check_eligibility(
        command_request.action, selected, edited=edited, force=command_request.force
    )
    if not eligibility.taken:
        raise PayloadError(_nothing_left(command_request.action, eligibility.skipped))
    return Plan(
        command_request=command_request,
        items=tuple(request.request_id for request in eligibility.taken),
        preview=preview.for_requests(
            context,
            command_request.action,
            eligibility,
            cli=command_line(command_request, _names(context, command_request, eligibility.taken)),
            model=str(command_request.changes.get("model") or "") or None,
        ),
        edits=tuple(
            body_edits.build_edits(
                context,
                eligibility.taken,
                changes=command_request.changes,
                bodies=command_request.bodies,
            )
        )
        if edited
        else (),
    )


def _names(
    context: Context, command_request: CommandRequest, taken: Sequence[Selected]
) -> list[str]:
    """What to call a frozen choice on a command line: by its batches, or one by one."""
    if command_request.wanted.batch_ids and not command_request.wanted.request_ids:
        return previews.batch_keys(context.ledger, command_request.wanted.batch_ids)
    return [request.custom_id for request in taken]


def _nothing_left(action: Action, skipped: Mapping[str, int]) -> str:
    if not skipped:
        return f"Nothing matches; there is nothing to {action}."
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    return f"There is nothing to {action}: {reasons}."


def submit(context: Context, planned: Plan, *, delay: timedelta) -> tuple[Command, bool]:
    """Write the command down; polls carry it out once the delay is over.

    Until then it can be withdrawn. Returns it, and whether it is new.
    """
    options: dict[str, object] = {"canary": True} if planned.command_request.canary else {}
    return commands.enqueue(
        context.ledger,
        NewCommand(
            action=planned.command_request.action,
            items=planned.items,
            workflows=planned.workflows,
            reason=planned.command_request.reason,
            not_before=context.clock.now() + delay,
            options=options,
            edits=planned.edits,
        ),
    )


def discard(context: Context, planned: Plan) -> None:
    """Forget a plan that is not wanted; its edits are taken off the disk."""
    for name in {edit.spool_file for edit in planned.edits}:
        (context.folder.spool / name).unlink(missing_ok=True)


def withdraw(context: Context, keys: Sequence[str]) -> None:
    """Take commands back. Raises UnknownId, or TooLateError for one that has been taken."""
    for command in [commands.by_key(context.ledger, key) for key in keys]:
        commands.withdraw(context.ledger, command)
