"""Why queued requests are not sent yet, and what sends them."""

from typing import cast

from core.batches.holds import SEND_HOLDS
from state.batches import priming_records
from state.db.reader import Source
from state.model.records import Batch, BatchStatus
from state.operations import pauses
from state.queries import ledger_status, queued_requests
from state.queries.queued_requests import QueuedRequests

WAITS_FOR_SYNC = "waits for its synchronous run"


class QueuedReasons:
    """What keeps requests from being sent, as of `now_ts`."""

    def __init__(self, source: Source, now_ts: str) -> None:
        """Read what may hold requests: pauses, holds and the last poll."""
        self._source = source
        self._pauses = {pause.workflow: pause for pause in pauses.paused(source)}
        self._holds = {
            (hold.lane, hold.name): hold for hold in ledger_status.holds(source, now_ts=now_ts)
        }
        poller = ledger_status.poller(source)
        self._blocked, self._poll_error = poller.blocked, poller.last_error
        self._problems = cast("list[str]", poller.last_summary.get("problems") or [])

    def of_batch(self, batch: Batch) -> str | None:
        """Why the batch is still queued; None for one that is not."""
        if batch.status != BatchStatus.QUEUED:
            return None
        until = priming_records.waits_until(self._source, batch)
        if until and batch.workflow not in self._pauses:
            return f"waits for the prompt cache, until {until} at most"
        # Such as a budget that it exceeds.
        own = next((p for p in self._problems if p.startswith(f"{batch.key} ")), None)
        return self._of(batch.workflow, own or batch.last_error, batch.lane)

    def of_returned(self, batch: Batch) -> str:
        """Why the requests that an unsent batch returned to the queue are not sent."""
        command = queued_requests.sync_of(self._source, batch)
        return self._of_returned(batch.workflow, command, batch.last_error, batch.lane)

    def of_requests(self, queued: QueuedRequests) -> str:
        """Why these requests are in no batch."""
        last_error = queued.not_sent and queued.not_sent.last_error
        return self._of_returned(queued.workflow, queued.command, last_error, queued.lane)

    def _of_returned(
        self, workflow: str, command: str | None, last_error: str | None, lane: str
    ) -> str:
        if command:
            return f"{WAITS_FOR_SYNC}, {command}"
        return self._of(workflow, last_error, lane)

    def _of(self, workflow: str, last_error: str | None, lane: str) -> str:
        if pause := self._pauses.get(workflow):
            return f"{pause.text}; to continue: titan-console resume {workflow}"
        if self._blocked:
            return f"no poll can be recorded: {self._blocked}"
        holds = (self._holds.get((lane, name)) for name in SEND_HOLDS)
        if hold := next(filter(None, holds), None):
            return f"on hold until {hold.until_ts}: {hold.reason}"
        reason = last_error or (self._poll_error and f"the last poll failed: {self._poll_error}")
        if reason:
            return f"{reason.rstrip('.')}; the next poll tries again"
        return "the next poll sends it"
