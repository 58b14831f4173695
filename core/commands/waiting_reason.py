"""The reason why a command that has started has not ended yet."""

from core.text import pluralize
from state.batches import orphans, remote_status
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.model.records import Batch, BatchStatus
from state.operations import affected_batches, commands
from state.operations.commands import Action, Command, CommandState


def waits_for(source: Source, command: Command) -> str | None:
    """The batch whose end, response or results the command needs, and when that is tried next.

    None where it does not wait for a batch.
    """
    if command.state != CommandState.RUNNING:
        return None
    found = [said for batch in _batches(source, command) if (said := _of(source, batch))]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    return f"{found[0]}; {pluralize(len(found) - 1, 'more batch', 'more batches')} likewise"


def _batches(source: Source, command: Command) -> list[Batch]:
    items = commands.items(source, command)
    if command.action == Action.CANCEL:
        return [remote_status.reload_batch(source, batch_id) for batch_id in items]
    if command.action == Action.SYNC:
        return [forced.batch for forced in affected_batches.affected_batches(source, items)]
    return []


def _of(source: Source, batch: Batch) -> str | None:
    match batch.status:
        case BatchStatus.SENDING:
            return f"{batch.key} is being sent"
        case BatchStatus.UNCONFIRMED:
            return f"{batch.key} was sent without a response; {_decided(source, batch)}"
        case BatchStatus.IN_PROGRESS | BatchStatus.CANCELING:
            why = f" ({batch.last_error.rstrip('.')})" if batch.last_error else ""
            return f"{batch.key} has not ended at the API{why}"
        case BatchStatus.ENDED if batch.collected_ts is None:
            after = f"; next try at {batch.next_poll_ts}" if batch.next_poll_ts else ""
            return f"the results of {batch.key} are not collected yet{after}"
        case _:
            return None


def _decided(source: Source, batch: Batch) -> str:
    candidates = orphans.with_verdict(source, OrphanVerdict.CANDIDATE)
    if candidates:
        found = candidates[0].remote_id
        return f"{found} may be this batch; a poll decides once {found} has ended"
    after = f" after {batch.next_poll_ts}" if batch.next_poll_ts else ""
    return f"a poll{after} decides whether the API has it"
