"""The reason why a command that has started has not ended yet."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from core.text import pluralize
from state.batches import orphans, remote_status
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.model.records import Batch, BatchStatus
from state.operations import affected_batches, commands
from state.operations.commands import Action, Command, CommandState


class WaitingCode(StrEnum):
    """What a command waits for."""

    #: A batch that another process is sending.
    SENDING = "batch_sending"
    #: A batch that was sent without a response.
    UNCONFIRMED = "batch_unconfirmed"
    #: The end of a batch at the API.
    OPEN = "batch_open"
    #: The results of a batch.
    RESULTS = "results_pending"
    #: Synchronous calls that could not run, as after a rate limit.
    CALLS = "calls_not_run"
    #: The first request of a replay.
    CANARY = "canary"


class Waiting(Struct, frozen=True, kw_only=True):
    """What a command waits for, as one line. `until_ts`: not tried before; None without a time."""

    code: WaitingCode
    text: str
    until_ts: str | None = None


def waits_for(source: Source, command: Command) -> Waiting | None:
    """The batch or call that the command needs, and when that is tried next.

    None where it has not started, or has ended.
    """
    if command.state != CommandState.RUNNING:
        return None
    found = [said for batch in _batches(source, command) if (said := _of(source, batch))]
    if not found:
        return _without_batch(command)
    others = pluralize(len(found) - 1, "more batch", "more batches")
    text = found[0].text + (f"; {others} likewise" if len(found) > 1 else "")
    # What could not run was sent in a batch meanwhile.
    calls = f"; its calls could not run: {command.waits}" if command.waits else ""
    return replace(found[0], text=text + calls)


def _batches(source: Source, command: Command) -> list[Batch]:
    items = commands.items(source, command)
    if command.action == Action.CANCEL:
        return [remote_status.reload_batch(source, batch_id) for batch_id in items]
    if command.action == Action.SYNC:
        return [affected.batch for affected in affected_batches.affected_batches(source, items)]
    return []


def _without_batch(command: Command) -> Waiting | None:
    if command.action == Action.REPLAY and command.step:
        return Waiting(code=WaitingCode.CANARY, text="the canary has no outcome yet")
    if command.waits is None:
        return None
    text = f"{command.waits.rstrip('.')}; the next poll tries again"
    return Waiting(code=WaitingCode.CALLS, text=text)


def _of(source: Source, batch: Batch) -> Waiting | None:
    next_ts = batch.next_poll_ts
    match batch.status:
        case BatchStatus.SENDING:
            return Waiting(code=WaitingCode.SENDING, text=f"{batch.key} is being sent")
        case BatchStatus.UNCONFIRMED:
            text = f"{batch.key} was sent without a response; {_decided(source, batch)}"
            return Waiting(code=WaitingCode.UNCONFIRMED, text=text, until_ts=next_ts)
        case BatchStatus.IN_PROGRESS | BatchStatus.CANCELING:
            why = f" ({batch.last_error.rstrip('.')})" if batch.last_error else ""
            text = f"{batch.key} has not ended at the API{why}"
            return Waiting(code=WaitingCode.OPEN, text=text)
        case BatchStatus.ENDED if batch.collected_ts is None:
            after = f"; next try at {next_ts}" if next_ts else ""
            text = f"the results of {batch.key} are not collected yet{after}"
            return Waiting(code=WaitingCode.RESULTS, text=text, until_ts=next_ts)
        case _:
            return None


def _decided(source: Source, batch: Batch) -> str:
    candidates = orphans.with_verdict(source, OrphanVerdict.CANDIDATE, batch.lane)
    if candidates:
        found = candidates[0].remote_id
        return f"{found} may be this batch; a poll decides once {found} has ended"
    after = f" after {batch.next_poll_ts}" if batch.next_poll_ts else ""
    return f"a poll{after} decides whether the API has it"
