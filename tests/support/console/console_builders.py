"""Real ledgers for the console's tests, written with the ledger's own moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace
from support.ledgers.ledger_builders import spooled, store_results
from support.ledgers.new_ledger import prepare_new_home

from core.batches.holds import QUEUE_HOLD
from core.clock import ManualClock
from state.batches import batch_planning, leases, remote_status, sending, submissions
from state.batches.sending import RemoteState
from state.db.ledger import ALPHABET, Ledger, random_id
from state.model.records import (
    Batch,
    BatchStatus,
    CollectedResult,
    Counts,
    NewSubmission,
    Outcome,
    Usage,
)
from state.model.timestamps import to_text
from state.queries import batch_detail
from state.recovery import restored

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)
CENT = 10_000_000
# One job that is batched, and one that needs its answers at once.
A_CATALOGUE = """
[workloads.tier-1]
title = "Tier 1"
[workloads.live]
title = "Live"
batched = false
[jobs.feed]
workload = "tier-1"
schedule = "daily"
deadline_h = 26
[jobs.talk]
workload = "live"
schedule = "hourly"
"""
USAGE = Usage(input_tokens=900, output_tokens=80)


@dataclass(frozen=True)
class Failure:
    """One request that brings no answer."""

    error_type: str = "overloaded_error"
    message: str = "Overloaded"
    outcome: Outcome = Outcome.ERRORED


def repeatable_ids(rng: Random | None = None) -> Callable[[int], str]:
    """Keys and nonces as a ledger draws them, but the same ones each time."""
    rng = rng or Random(7)
    return lambda length: "".join(rng.choice(ALPHABET) for _ in range(length))


class LedgerBuilder:
    """Writes a ledger the way the engine does, under a clock that is driven by hand."""

    def __init__(
        self,
        home: Path | Ledger,
        clock: ManualClock | None = None,
        *,
        new_id: Callable[[int], str] = random_id,
    ) -> None:
        """Write into the ledger of a folder, or into one that is open under this clock."""
        self.clock = clock or ManualClock(NOW)
        if isinstance(home, Path):
            prepare_new_home(home / "titan.db")
        self.ledger = (
            Ledger(home / "titan.db", now=self.clock.now, actor="test", new_id=new_id)
            if isinstance(home, Path)
            else home
        )
        self.path = self.ledger.path
        self._number = len(restored.submissions(self.ledger))

    def close(self) -> None:
        self.ledger.close()

    def submit(
        self,
        tag: str,
        requests: int | Sequence[str] = 3,
        *,
        due_in: timedelta | None = None,
        workflow: str = "feed",
        **each: Any,
    ) -> Batch:
        """A queued batch; `requests` may give the custom_ids, `each` fields of each request."""
        self._number += 1
        ids = [f"{tag}-{i:03d}" for i in range(requests)] if isinstance(requests, int) else requests
        new = NewSubmission(
            key=f"tb-{self._number:04d}-k3x9",
            tag=tag,
            workflow=workflow,
            model="claude-haiku-4-5",
            work_date="2026-05-02",
            deadline_ts=to_text(self.clock.now() + due_in) if due_in else None,
            created_by="test",
            created_ts=self.ledger.now_text(),
            spool_file="requests.jsonl",
        )
        rows = [spooled(custom_id, **each) for custom_id in ids]
        with submissions.staged(self.ledger, rows) as staged:
            submission, _ = submissions.store(self.ledger, staged, new, wire_overhead=10)
        return self.batch(submission.key)

    def batch(self, key: str) -> Batch:
        found = batch_detail.batch(self.ledger, key)
        assert found is not None
        return found

    def plan(self) -> list[Batch]:
        """New batches for what is queued."""
        return batch_planning.plan_queued(
            self.ledger, max_requests=100_000, max_bytes=1 << 28, wire_overhead=0
        )

    def sending(self, batch: Batch) -> Batch:
        sending.mark_sending(self.ledger, batch, watermark_id="", watermark_ts=None, owner="test")
        return self.batch(batch.key)

    def accept(self, batch: Batch) -> Batch:
        """The API has it."""
        batch = self.sending(batch)
        sending.mark_accepted(self.ledger, batch, self._remote(batch), "org")
        return self.batch(batch.key)

    def lose_the_answer(self, batch: Batch, reason: str = "read timeout after 600 s") -> Batch:
        wait_until = to_text(self.clock.now() + timedelta(minutes=30))
        sending.mark_unconfirmed(self.ledger, self.sending(batch), reason, wait_until_ts=wait_until)
        return self.batch(batch.key)

    def release(self, batch: Batch, reason: str = "429: the queue is full") -> Batch:
        sending.mark_not_sent(self.ledger, self.sending(batch), reason)
        return self.batch(batch.key)

    def refuse(self, batch: Batch, message: str = "max_tokens: must be at least 1") -> Batch:
        sending.mark_rejected(self.ledger, self.sending(batch), "invalid_request_error", message)
        return self.batch(batch.key)

    def look_failed(self, batch: Batch, reason: str) -> Batch:
        remote_status.record_poll_failure(self.ledger, batch, reason, next_poll=self.clock.now())
        return self.batch(batch.key)

    def end(self, batch: Batch, *, failed: int = 0) -> Batch:
        """The API has finished with it; its results are still to come."""
        counts = Counts(succeeded=batch.request_count - failed, errored=failed)
        remote = replace(
            self._remote(batch),
            status=BatchStatus.ENDED,
            counts=counts,
            ended_ts=self.ledger.now_text(),
        )
        return remote_status.record_status(self.ledger, batch, remote)

    def collect(
        self,
        batch: Batch,
        failures: Sequence[Failure] = (),
        *,
        cost_nano: int | None = CENT,
        stop_reason: str = "end_turn",
        usage: Usage = USAGE,
    ) -> Batch:
        """Its results are in; the first requests fail as told."""
        batch = self.end(batch, failed=len(failures))
        ids = [request.custom_id for request in sending.sent_requests(self.ledger, batch)]
        results = [
            CollectedResult(
                custom_id=custom_id,
                outcome=failure.outcome,
                error_type=failure.error_type,
                error_message=failure.message,
            )
            for custom_id, failure in zip(ids, failures, strict=False)
        ] + [
            CollectedResult(
                custom_id=custom_id,
                outcome=Outcome.SUCCEEDED,
                usage=usage,
                model=batch.model,
                stop_reason=stop_reason,
                cost_nano=cost_nano,
                sync_cost_nano=None if cost_nano is None else 2 * cost_nano,
                unpriced=(usage.unknown or "no known price") if cost_nano is None else None,
            )
            for custom_id in ids[len(failures) :]
        ]
        store_results(self.ledger, batch, *results, results_bytes=1000)
        return self.batch(batch.key)

    def collected(
        self,
        tag: str,
        requests: int | Sequence[str] = 3,
        failures: Sequence[Failure] = (),
        *,
        cost_nano: int | None = CENT,
        workflow: str = "feed",
        usage: Usage = USAGE,
    ) -> Batch:
        batch = self.accept(self.submit(tag, requests, workflow=workflow))
        return self.collect(batch, failures, cost_nano=cost_nano, usage=usage)

    def poll(self) -> None:
        """A poll that found nothing to do."""
        leases.end_poll(self.ledger, leases.begin_poll(self.ledger), {"collected": 0})

    def hold(self, reason: str) -> None:
        until = self.clock.now() + timedelta(minutes=30)
        leases.set_hold(self.ledger, QUEUE_HOLD, until=until, reason=reason)

    def _remote(self, batch: Batch) -> RemoteState:
        created = self.clock.now()
        return RemoteState(
            remote_id=batch.remote_id or f"msgbatch_01{batch.key}",
            status=BatchStatus.IN_PROGRESS,
            counts=batch.counts,
            created_ts=to_text(created),
            expires_ts=to_text(created + timedelta(hours=24)),
        )
