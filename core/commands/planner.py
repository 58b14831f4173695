"""The operator's verbs: what is meant, what it would cost, and the command once it is wanted."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from core.batches.context import Context
from core.commands import body_edits, pausing
from core.commands import preview as receipt
from core.commands.cli_equivalent import command_line
from core.commands.eligibility import judge
from core.commands.preview import Receipt
from core.commands.request import Wish
from core.errors import PayloadError
from state.operations import commands, previews, selection
from state.operations.commands import Command, Edit, NewCommand, Verb
from state.operations.selection import Selected

_ON_WORKFLOWS = (Verb.PAUSE, Verb.RESUME)


class Plan(Struct, frozen=True, kw_only=True):
    """A wish on exact ids, or on workflows by name, with its receipt."""

    wish: Wish
    receipt: Receipt
    items: tuple[int, ...] = ()
    workflows: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


def plan(context: Context, wish: Wish) -> Plan:
    """Find what is meant, and what it would do. Changes nothing in the ledger.

    Raises UnknownId for a name of nothing; PayloadError where nothing is left to do, or an edit
    makes a request invalid.
    """
    if wish.wanted.is_empty:
        what = "workflows" if wish.verb in _ON_WORKFLOWS else "keys, tags, custom_ids, or a filter"
        raise PayloadError(f"Say what to {wish.verb}: {what}.")
    if wish.verb in _ON_WORKFLOWS:
        return _plan_workflows(context, wish)
    if wish.verb == Verb.CANCEL:
        return _plan_batches(context, wish)
    return _plan_requests(context, wish)


def _plan_workflows(context: Context, wish: Wish) -> Plan:
    chosen = pausing.choose(context, wish.verb, wish.wanted)
    return Plan(
        wish=wish,
        workflows=tuple(chosen.taken),
        receipt=receipt.for_workflows(context, wish.verb, chosen, cli=command_line(wish)),
    )


def _plan_batches(context: Context, wish: Wish) -> Plan:
    batches = selection.open_batches(context.ledger, wish.wanted)
    if not batches:
        raise PayloadError("Nothing of that is open any more; there is nothing to cancel.")
    cli = command_line(wish, previews.batch_keys(context.ledger, batches))
    return Plan(
        wish=wish,
        items=tuple(batches),
        receipt=receipt.for_batches(context, batches, cli=cli),
    )


def _plan_requests(context: Context, wish: Wish) -> Plan:
    selected = selection.requests(context.ledger, wish.wanted)
    if wish.bodies:
        unknown = set(wish.bodies) - {request.custom_id for request in selected}
        if unknown:
            raise PayloadError(f"The edit names {min(unknown)!r}, which is not among them.")
        selected = [request for request in selected if request.custom_id in wish.bodies]
    edited = bool(wish.changes or wish.bodies)
    judged = judge(wish.verb, selected, edited=edited, force=wish.force)
    if not judged.taken:
        raise PayloadError(_nothing_left(wish.verb, judged.skipped))
    return Plan(
        wish=wish,
        items=tuple(request.request_id for request in judged.taken),
        receipt=receipt.for_requests(
            context,
            wish.verb,
            judged,
            cli=command_line(wish, _names(context, wish, judged.taken)),
            model=str(wish.changes.get("model") or "") or None,
        ),
        edits=tuple(
            body_edits.edits(context, judged.taken, changes=wish.changes, bodies=wish.bodies)
        )
        if edited
        else (),
    )


def _names(context: Context, wish: Wish, taken: Sequence[Selected]) -> list[str]:
    """What to call a frozen choice on a command line: by its batches, or one by one."""
    if wish.wanted.batch_ids and not wish.wanted.request_ids:
        return previews.batch_keys(context.ledger, wish.wanted.batch_ids)
    return [request.custom_id for request in taken]


def _nothing_left(verb: Verb, skipped: Mapping[str, int]) -> str:
    if not skipped:
        return f"Nothing matches; there is nothing to {verb}."
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    return f"There is nothing to {verb}: {reasons}."


def give(context: Context, planned: Plan, *, delay: timedelta) -> tuple[Command, bool]:
    """Write the command down; passes carry it out once the delay is over.

    Until then it can be withdrawn. Returns it, and whether it is new.
    """
    options: dict[str, object] = {"canary": True} if planned.wish.canary else {}
    return commands.give(
        context.ledger,
        NewCommand(
            verb=planned.wish.verb,
            items=planned.items,
            workflows=planned.workflows,
            reason=planned.wish.reason,
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
    for command in [commands.named(context.ledger, key) for key in keys]:
        commands.withdraw(context.ledger, command)
