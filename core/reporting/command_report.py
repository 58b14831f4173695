"""An operator's command as JSON."""

from msgspec import Struct

from core.commands.waiting_reason import Waiting
from state.operations.commands import Action, Command, CommandState


class CommandReport(Struct, frozen=True, kw_only=True):
    """A command as JSON.

    `verb`, `who` and `given_ts` are the old names of `action`, `actor` and `created_ts`, kept for
    one release.
    """

    command: str
    action: Action
    verb: Action
    state: CommandState
    items: int
    actor: str
    who: str
    reason: str
    created_ts: str
    given_ts: str
    not_before_ts: str
    ended_ts: str | None
    outcome: str | None
    waiting_for: Waiting | None


def as_report(command: Command, waiting: Waiting | None) -> CommandReport:
    """A command as JSON, with what it waits for."""
    return CommandReport(
        command=command.key,
        action=command.action,
        verb=command.action,
        state=command.state,
        items=command.item_count,
        actor=command.who,
        who=command.who,
        reason=command.reason,
        created_ts=command.created_ts,
        given_ts=command.created_ts,
        not_before_ts=command.not_before_ts,
        ended_ts=command.ended_ts,
        outcome=command.outcome,
        waiting_for=waiting,
    )
