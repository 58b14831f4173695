"""Turns a request for a command into a plan with its preview, and a confirmed plan into a command.

`plan` changes nothing in the ledger. `submit` writes the command; `core.commands.executor` runs it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.commands import body_edits, equivalent_filter, params_edit, preview, skipped_text
from core.commands.command_request import CommandRequest, command_line
from core.commands.eligibility import Eligibility, check_eligibility, choose_workflows
from core.commands.params_edit import EditableParams, EditSample
from core.commands.preview import Preview
from core.errors import PayloadError
from core.requests.model_limits import MAX_CALL_BYTES
from state.batches.edits import Edit
from state.model.errors import TitanError
from state.model.id_list import IdList
from state.model.records import BatchKind
from state.operations import commands, previews, retention, selection
from state.operations.commands import Action, Command, NewCommand
from state.operations.selection import Filter, SelectedGroup

# The actions that spend.
_KINDS = {Action.REPLAY: BatchKind.BATCH, Action.SYNC: BatchKind.SYNC}
_ON_WORKFLOWS = (Action.PAUSE, Action.RESUME)


class Plan(Struct, frozen=True, kw_only=True):
    """A request with the ids (or workflows) it applies to, its edited bodies and its preview."""

    request: CommandRequest
    preview: Preview
    items: IdList = IdList.of(())
    workflows: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


def plan(context: Context, request: CommandRequest) -> Plan:
    """Find what the request applies to, and what it would do.

    Raises UnknownId for an unknown name; PayloadError where nothing is left to do, or an edit
    makes a request invalid.
    """
    if request.wanted.is_empty:
        names = (
            "a workflow"
            if request.action in _ON_WORKFLOWS
            else "a key, tag or custom_id, or a filter such as --workflow"
        )
        raise PayloadError(
            f"Nothing selected to {request.action}; pass {names}.", code="no_selection"
        )
    if request.action in _ON_WORKFLOWS:
        return _plan_workflows(context, request)
    if request.action == Action.CANCEL:
        return _plan_batches(context, request)
    return _plan_requests(context, request)


def editable(context: Context, request: CommandRequest) -> EditableParams:
    """The common parameters of the requests that a replay with an edit would run.

    Raises PayloadError where there are none, or a body is not known.
    """
    found = check_eligibility(
        context.ledger, request.action, _selected(context, request), edited=True
    )
    if not found.ids:
        raise PayloadError(_nothing_left(request.action, found.skipped), code="nothing_to_do")
    return params_edit.read(context, found.ids)


def samples(context: Context, planned: Plan) -> tuple[EditSample, ...]:
    """What the edit of a plan changes in its first requests; empty without an edit."""
    changes = planned.request.changes
    return params_edit.samples(context, planned.items, changes) if changes else ()


def submit(context: Context, planned: Plan, *, delay: timedelta) -> tuple[Command, bool]:
    """Write the command; polls run it once the delay is over, until then it can be withdrawn.

    Returns it, and whether it is new: the same command that is still open is written once. Raises
    PayloadError where the budgets, or a `prune` since the plan, leave no room for it.
    """
    request = planned.request
    new = NewCommand(
        action=request.action,
        items=planned.items,
        workflows=planned.workflows,
        reason=request.reason,
        not_before=context.clock.now() + delay,
        options={"canary": True} if request.canary else {},
        edits=planned.edits,
    )
    try:
        return commands.enqueue(
            context.ledger, new, lambda number: _admit(context, planned, number)
        )
    except PayloadError:
        discard(context, planned)
        raise


def _admit(context: Context, planned: Plan, command_id: int) -> None:
    kind = _KINDS.get(planned.request.action)
    if kind is not None:
        if retention.is_any_pruned(context.ledger, planned.items):
            raise PayloadError(
                "Nothing was changed: requests of the selection were pruned meanwhile. Select"
                f" again to {planned.request.action} those that are left.",
                code="pruned",
            )
        budget_admission.admit(context, planned.items, kind, command_id=command_id)


def discard(context: Context, planned: Plan) -> None:
    """Drop a plan that was not confirmed, and delete its edited bodies."""
    body_edits.delete_bodies(context, planned.edits)


def withdraw(context: Context, keys: Sequence[str]) -> None:
    """Take commands back. Raises UnknownId, or TooLateError for one that has started."""
    for command in [commands.by_key(context.ledger, key) for key in keys]:
        commands.withdraw(context.ledger, command)


def _plan_workflows(context: Context, request: CommandRequest) -> Plan:
    found = choose_workflows(context, request.action, request.wanted)
    return Plan(
        request=request,
        workflows=tuple(found.eligible),
        preview=preview.for_workflows(context, request.action, found, cli=command_line(request)),
    )


def _plan_batches(context: Context, request: CommandRequest) -> Plan:
    batches = selection.cancelable_batches(context.ledger, request.wanted)
    if not batches:
        raise PayloadError("Nothing to cancel: no open batch matches.", code="nothing_to_do")
    cli = command_line(request)
    if request.wanted.is_frozen:
        cli = _line_of(
            request,
            equivalent_filter.of_batches(
                context.ledger,
                batches,
                lambda wanted: selection.cancelable_batches(context.ledger, wanted),
            ),
        )
    return Plan(
        request=request,
        items=IdList.of(batches),
        preview=preview.for_batches(context, batches, cli=cli),
    )


def _plan_requests(context: Context, request: CommandRequest) -> Plan:
    edited = bool(request.changes or request.bodies)
    found = _eligible(context, request)
    if not found.ids:
        raise PayloadError(_nothing_left(request.action, found.skipped), code="nothing_to_do")
    edits = _edits(context, request, found.ids) if edited else ()
    try:
        numbers = _budget_numbers(context, request.action, found.ids, edits)
    except TitanError:
        body_edits.delete_bodies(context, edits)
        raise
    return Plan(
        request=request,
        items=found.ids,
        preview=preview.for_requests(
            context,
            request.action,
            found,
            cli=_line_of_requests(context, request, found.ids),
            edits=edits,
            numbers=numbers,
        ),
        edits=edits,
    )


def _budget_numbers(
    context: Context, action: Action, ids: IdList, edits: Sequence[Edit]
) -> tuple[str, ...]:
    """What the command takes of each budget. Raises OverBudget, SettingsError."""
    return budget_admission.plan(context, ids, _KINDS[action], edits) if action in _KINDS else ()


def _eligible(context: Context, request: CommandRequest) -> Eligibility:
    return check_eligibility(
        context.ledger,
        request.action,
        _selected(context, request),
        edited=bool(request.changes or request.bodies),
        force=request.force,
    )


def _selected(context: Context, request: CommandRequest) -> list[SelectedGroup]:
    """The requests that match; with whole edited bodies, those that have one."""
    if not request.bodies:
        return selection.groups(context.ledger, request.wanted, max_bytes=MAX_CALL_BYTES)
    selected = selection.groups(
        context.ledger, request.wanted, max_bytes=MAX_CALL_BYTES, custom_ids=request.bodies
    )
    named = (name for group in selected for name in previews.custom_ids(context.ledger, group.ids))
    if unknown := set(request.bodies).difference(named):
        raise PayloadError(
            f"--edits names custom_id {min(unknown)!r}, which is not selected.",
            code="edit_not_selected",
        )
    return selected


def _edits(context: Context, request: CommandRequest, chosen: IdList) -> tuple[Edit, ...]:
    requests = selection.requests(context.ledger, Filter(request_ids=chosen))
    return tuple(
        body_edits.build_edits(context, requests, changes=request.changes, bodies=request.bodies)
    )


def _line_of_requests(context: Context, request: CommandRequest, chosen: IdList) -> str:
    """The command line for exactly these requests; empty where there is none."""
    if not request.wanted.is_frozen:
        return command_line(request)
    wanted = request.wanted
    return _line_of(
        request,
        equivalent_filter.of_requests(
            context.ledger,
            chosen,
            lambda one: _eligible(context, replace(request, wanted=one)).ids,
            batch_ids=() if wanted.request_ids else wanted.batch_ids,
        ),
    )


def _line_of(request: CommandRequest, wanted: Filter | None) -> str:
    return "" if wanted is None else command_line(replace(request, wanted=wanted))


def _nothing_left(action: Action, skipped: Mapping[str, int]) -> str:
    if not skipped:
        return f"Nothing to {action}: no request matches."
    return " ".join((f"Nothing to {action}.", *skipped_text.sentences(skipped)))
