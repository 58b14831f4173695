"""The operator's verbs: what is meant, what it would cost, and the command once it is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from core import editing, receipt
from core.context import Context
from core.editing import Params
from core.errors import PayloadError
from core.judging import judge
from core.receipt import Receipt
from state import commands, selection
from state.commands import Command, Edit, NewCommand, Verb
from state.selection import Filter


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What an operator wants: the verb, on what, and how.

    `changes` and `bodies` are edits for a replay (see `core.editing.edits`).
    """

    verb: Verb
    wanted: Filter
    reason: str = ""
    force: bool = False
    canary: bool = False
    changes: Mapping[str, object] = field(default_factory=dict[str, object])
    bodies: Mapping[str, Params] = field(default_factory=dict[str, Params])


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A wish on exact ids, with its receipt."""

    wish: Wish
    items: tuple[int, ...]
    receipt: Receipt
    edits: tuple[Edit, ...] = ()


def plan(context: Context, wish: Wish) -> Plan:
    """Find what is meant, and what it would do. Changes nothing in the ledger.

    Raises UnknownId for a name of nothing; PayloadError where nothing is left to do, or an edit
    makes a request invalid.
    """
    if wish.wanted.is_empty:
        raise PayloadError(f"Say what to {wish.verb}: keys, tags, custom_ids, or a filter.")
    if wish.verb == Verb.CANCEL:
        batches = selection.open_batches(context.ledger, wish.wanted)
        if not batches:
            raise PayloadError("Nothing of that is open any more; there is nothing to cancel.")
        return Plan(
            wish=wish,
            items=tuple(batches),
            receipt=receipt.for_batches(context, batches),
        )
    return _plan_requests(context, wish)


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
            context, wish.verb, judged, model=str(wish.changes.get("model") or "") or None
        ),
        edits=tuple(editing.edits(context, judged.taken, changes=wish.changes, bodies=wish.bodies))
        if edited
        else (),
    )


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
