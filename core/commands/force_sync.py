"""Forces requests through synchronously, at the full price, and none twice if that can be helped.

Before a batch has ended nobody can tell which of its requests are missing. So: cancel it, wait for
its end, collect, and then run only what is still unsettled. At the last safe moment before a
deadline what is unsettled runs anyway, and that it may be paid twice is written down.
"""

from collections.abc import Callable, Sequence

from core.batches.context import Context
from core.batches.sync_fallback import run_waiting
from core.text import are, counted
from state.batches import sending
from state.model.records import Batch, BatchStatus, RequestStatus
from state.model.timestamps import to_text
from state.operations import command_effects, commands
from state.operations.commands import Command, CommandState

_SETTLED = (RequestStatus.SUCCEEDED,)
_REASON = "it is run synchronously instead"


def force(
    context: Context, command: Command, cancel: Callable[[Context, Batch], bool]
) -> tuple[CommandState, str] | None:
    """One step; the end of the command, or None while a batch has still to end."""
    ids = commands.items(context.ledger, command)
    before = command_effects.statuses(context.ledger, ids)
    live = [i for i in ids if before[i] == RequestStatus.LIVE]
    is_last_moment = _is_last_moment(context, command)
    _free(context, live, cancel, last_moment=is_last_moment)
    trouble = _run(context, command, ids)
    after = command_effects.statuses(context.ledger, ids)
    left = [i for i in ids if after[i] in (RequestStatus.LIVE, RequestStatus.WAITING)]
    if left:
        return None
    answered = sum(after[i] in _SETTLED for i in ids)
    words = f"{answered:,} of {counted(len(ids), 'request')} {are(answered)} answered"
    return CommandState.DONE, words + (f"; {trouble}" if trouble else "")


def _is_last_moment(context: Context, command: Command) -> bool:
    moment = command.options.get("last_moment_ts")
    return isinstance(moment, str) and to_text(context.clock.now()) >= moment


def _free(
    context: Context,
    live: Sequence[int],
    cancel: Callable[[Context, Batch], bool],
    *,
    last_moment: bool,
) -> None:
    """Make the requests' batches end; or, at the last moment, go on without them."""
    for batch in command_effects.batches_with(context.ledger, live):
        match batch.status:
            case BatchStatus.INTENT:
                sending.withdrawn(context.ledger, batch, _REASON)
            case BatchStatus.IN_PROGRESS:
                cancel(context, batch)
            case _:
                pass
        if last_moment and batch.status != BatchStatus.INTENT:
            command_effects.let_go(
                context.ledger, batch, live, "the deadline leaves no time to wait"
            )


def _run(context: Context, command: Command, ids: Sequence[int]) -> str | None:
    """Run what can be run now, each submission on its own; in words, what went wrong."""
    # What failed synchronously may be paid for, so one command asks it only once.
    again = command_effects.failed_in_batches(context.ledger, ids) if command.step else ids
    command_effects.ask_again(context.ledger, command.id, again)
    commands.record_step(context.ledger, command, command.step + 1)
    problems = [
        run_waiting(context, submission, "", only=chosen)
        for submission, chosen in command_effects.submissions_of(context.ledger, ids)
    ]
    return next((trouble for trouble in problems if trouble), None)
