"""Carries out what operators and policies have asked for, over as many polls as it takes."""

from collections.abc import Callable

from core.batches.context import Context
from core.batches.retry import read
from core.errors import ApiError
from core.text import are, counted
from state.batches import remote_status
from state.model.records import REVIEW_STOP_REASONS, Batch, BatchStatus, RequestStatus
from state.operations import command_effects, commands, pauses, reviews
from state.operations.commands import Action, Command, CommandState

_CANARY_SENT = 1
_OPEN = (RequestStatus.WAITING, RequestStatus.LIVE)

# What came of a step: the command's end and in words, or None while it is still under way.
Outcome = tuple[CommandState, str] | None


def run_due(context: Context) -> list[str]:
    """Go on with every command that is due; what each that ended came to."""
    due = commands.due(context.ledger, now=context.clock.now())
    return [said for command in due if (said := advance(context, command))]


def advance(context: Context, command: Command) -> str | None:
    """Go on with one command; what it came to, once it has ended."""
    if command.state == CommandState.PENDING and not commands.claim(context.ledger, command):
        return None
    outcome = _STEPS[command.action](context, command)
    if outcome is None:
        return None
    commands.finish(context.ledger, command, *outcome)
    return f"{command.key} {command.action}: {outcome[1]}"


def _replay(context: Context, command: Command) -> Outcome:
    ids = commands.items(context.ledger, command)
    if command.options.get("canary") and len(ids) > 1:
        return _replay_behind_canary(context, command, ids)
    count = command_effects.ask_again(context.ledger, command.id, ids)
    return (
        CommandState.DONE,
        f"{count:,} of {counted(len(ids), 'request')} {are(count)} asked again",
    )


def _replay_behind_canary(context: Context, command: Command, ids: list[int]) -> Outcome:
    """The first goes alone; the others follow when it succeeded, and stay when it did not."""
    canary, others = ids[0], ids[1:]
    if command.step < _CANARY_SENT:
        if not command_effects.ask_again(context.ledger, command.id, [canary]):
            return CommandState.FAILED, "the canary could not be asked again; nothing was"
        commands.record_step(context.ledger, command, _CANARY_SENT)
        return None
    status = command_effects.statuses(context.ledger, [canary])[canary]
    if status in _OPEN:
        return None
    if status != RequestStatus.SUCCEEDED:
        return CommandState.FAILED, f"the canary {status}; the other {len(others):,} were held"
    ended = command_effects.stop_reason_of(context.ledger, canary)
    if ended in REVIEW_STOP_REASONS:
        held = f"the other {len(others):,} were held"
        return CommandState.FAILED, f"the canary's answer ended with {ended}; {held}"
    count = command_effects.ask_again(context.ledger, command.id, others)
    return CommandState.DONE, f"the canary succeeded; {count:,} more requests are asked again"


def _acknowledge(context: Context, command: Command) -> Outcome:
    ids = commands.items(context.ledger, command)
    count = command_effects.give_up(context.ledger, ids)
    accepted = reviews.accept(context.ledger, ids)
    taken = f"{accepted:,} answers are taken as they are"
    if accepted and not count:
        return CommandState.DONE, taken
    words = f"{count:,} failed requests are settled without an answer"
    return CommandState.DONE, f"{words}; {taken}" if accepted else words


def _cancel(context: Context, command: Command) -> Outcome:
    """Batches that were not sent are called off, those at the API are asked to end."""
    canceled = over = 0
    for batch_id in commands.items(context.ledger, command):
        batch = remote_status.reread(context.ledger, batch_id)
        if batch.status == BatchStatus.INTENT:
            canceled += command_effects.call_off(
                context.ledger, batch, command.reason or "canceled"
            )
        elif batch.status == BatchStatus.IN_PROGRESS:
            if not _cancel_at_the_api(context, batch):
                return None
            canceled += 1
        elif batch.status in (BatchStatus.SENDING, BatchStatus.UNCERTAIN):
            # Whether there is anything to cancel is not known yet.
            return None
        else:
            over += batch.status != BatchStatus.CANCELING
            canceled += batch.status == BatchStatus.CANCELING
    return CommandState.DONE, f"{canceled:,} canceled, {over:,} were over already"


def _cancel_at_the_api(context: Context, batch: Batch) -> bool:
    """Whether the API took the cancel; what had ended meanwhile is found out by the next look."""
    api = context.api()
    try:
        remote = read(context, lambda: api.cancel(batch.remote_id or ""))
    except ApiError:
        return False
    remote_status.saw(context.ledger, batch, remote)
    return True


def _sync(context: Context, command: Command) -> Outcome:
    from core.commands.force_sync import force  # noqa: PLC0415 - slow, seldom needed

    return force(context, command, _cancel_at_the_api)


def _pause(context: Context, command: Command) -> Outcome:
    who, reason = command.who, command.reason
    new = pauses.pause(context.ledger, command.workflows, who=who, reason=reason)
    return CommandState.DONE, f"{_named(new, command)} paused: nothing is sent before a resume"


def _resume(context: Context, command: Command) -> Outcome:
    waiting = len(pauses.unsent(context.ledger, command.workflows))
    gone = pauses.resume(context.ledger, command.workflows, reason=command.reason)
    return (
        CommandState.DONE,
        f"{_named(gone, command)} resumed; still to be sent: {counted(waiting, 'request')}",
    )


def _named(changed: list[str], command: Command) -> str:
    """One workflow by its name, more by their number, and what another command was quicker with."""
    if len(command.workflows) == 1:
        return f"{command.workflows[0]} is{'' if changed else ' already'}"
    return f"{len(changed):,} of {len(command.workflows):,} workflows are"


_STEPS: dict[Action, Callable[[Context, Command], Outcome]] = {
    Action.REPLAY: _replay,
    Action.CANCEL: _cancel,
    Action.SYNC: _sync,
    Action.ACKNOWLEDGE: _acknowledge,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
}
