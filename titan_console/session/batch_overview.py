"""Reads what the overview of one batch shows, and draws it at any later moment."""

from collections.abc import Callable
from datetime import datetime

from core.money.eta import estimate_eta
from state.db.reader import Source
from state.model.records import Batch, BatchStatus
from state.model.timestamps import to_text
from state.operations import pauses
from state.queries import batch_detail
from titan_console.session import batch_outlook, reasons
from titan_console.session.batch_outlook import Outlook
from titan_console.text import batch_documents
from titan_console.text.batch_documents import Expected
from titan_console.text.document import Document

_NEVER_ENDS = (BatchStatus.NOT_SENT, BatchStatus.REJECTED)


def read(source: Source, batch: Batch, now: datetime) -> Callable[[datetime], Document]:
    """The overview of the batch, by the time at which it is drawn."""
    outlook = batch_outlook.read(source, [batch], Outlook(), now)
    models = batch_detail.models_of(source, batch.key)
    who = batch_detail.submitted_by(source, batch)
    is_paused = pauses.pause_of(source, batch.workflow) is not None
    why = reasons.of_open(source, [batch], to_text(now)).get(batch.key)

    def expected(now: datetime) -> Expected | None:
        if batch.ended_ts is not None or batch.status in _NEVER_ENDS:
            return None
        eta = estimate_eta(batch, outlook.api_times.get(batch.workflow, ()), now)
        return Expected(eta, is_paused, outlook.saving_of(batch))

    return lambda now: batch_documents.overview(
        batch,
        now,
        models,
        submitted_by=who,
        queued_because=why,
        is_replay=batch.id in outlook.replays,
        expected=expected(now),
    )
