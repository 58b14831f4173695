"""Goes on with a ledger in PostgreSQL that has lost transactions, and sends nothing twice."""

from msgspec import Struct

from core.clock import Clock, OffsetClock
from state.db.ledger import Ledger
from state.db.opening import open_ledger
from state.files.folder import Folder
from state.model.records import BatchStatus
from state.queries import batch_list
from state.recovery import restored

_REASON = "The server of the ledger has lost transactions: it may have run since."


class LossSummary(Struct, frozen=True, kw_only=True):
    """What is held back: batches that may have been sent, and commands that may have run."""

    batches: int
    commands: int


def accept_loss(folder: Folder, *, actor: str, clock: Clock) -> LossSummary:
    """Treat what is queued as what may have been sent: it is looked for at the API first."""
    clock = OffsetClock(clock)
    with open_ledger(folder, now=clock.now, actor=actor, accepts_loss=True) as ledger:
        clock.offset = ledger.clock_offset()
        commands = restored.end_commands(ledger, _REASON)
        batches = _let_recovery_decide(ledger)
        restored.rewrite_mirrors(ledger)
        restored.record(ledger, "a server that has lost transactions")
    folder.last_seen.unlink(missing_ok=True)
    return LossSummary(batches=batches, commands=commands)


def _let_recovery_decide(ledger: Ledger) -> int:
    """The nonce of each queued batch proves at the API whether it was sent."""
    queued = [
        batch
        for submission in restored.submissions(ledger)
        for batch in batch_list.batches_of(ledger, submission)
        if batch.status == BatchStatus.QUEUED
    ]
    for batch in queued:
        restored.mark_maybe_sent(ledger, batch)
    return len(queued)
