"""Ledgers, batches and results made by hand, below the engine."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from core.clock import ManualClock
from state.batches import collection, sending, submissions
from state.batches.collection import Completion
from state.batches.sending import RemoteState
from state.db.ledger import Ledger
from state.model.crash_points import no_crash_point
from state.model.records import (
    Batch,
    BatchStatus,
    Collected,
    CollectedResult,
    Counts,
    NewSubmission,
    Outcome,
    SpooledRequest,
    Submission,
    Usage,
)
from state.model.timestamps import to_text
from state.queries import batch_list

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
OVERHEAD = 65


def a_ledger(
    home: Path,
    *,
    clock: ManualClock | None = None,
    crash_point: Callable[[str], None] = no_crash_point,
) -> Ledger:
    """A new or existing ledger in that folder."""
    clock = clock or ManualClock(START)
    return Ledger(
        home / "titan.db",
        now=clock.now,
        monotonic=clock.monotonic,
        actor="test",
        crash_point=crash_point,
    )


def spooled(
    custom_id: str, *, sha: bytes = b"1" * 32, part: int = 0, **fields: Any
) -> SpooledRequest:
    """A request as if its body lay in the spool."""
    made = SpooledRequest(custom_id=custom_id, offset=0, length=100, sha256=sha, part=part)
    return made._replace(**fields)


def a_submission(ledger: Ledger, tag: str = "daily-feed", **fields: Any) -> NewSubmission:
    """What `submit` stores beside the requests."""
    key = f"tb_{ledger.new_id(10)}"
    made = NewSubmission(
        key=key,
        tag=tag,
        workflow="feed-classify",
        model="claude-sonnet-4-6",
        work_date="2026-11-22",
        created_by="test",
        created_ts=ledger.now_text(),
        spool_file=f"{key}.jsonl",
    )
    return replace(made, **fields)


def submit(
    ledger: Ledger, requests: Iterable[SpooledRequest], *, tag: str = "daily-feed", **fields: Any
) -> tuple[Submission, bool]:
    """Take requests in; `fields` are those of the submission."""
    with submissions.staged(ledger, requests) as staged:
        new = a_submission(ledger, tag, **fields)
        return submissions.store(ledger, staged, new, wire_overhead=OVERHEAD)


def batch(ledger: Ledger, number: int = 1) -> Batch:
    """The first batch that was made, or the one with that number, as it is now."""
    found = batch_list.matching(ledger, (), START)
    return sorted((*found.open, *found.others), key=lambda one: one.id)[number - 1]


def remote(number: int = 1, *, status: BatchStatus = BatchStatus.IN_PROGRESS) -> RemoteState:
    """What the API might say."""
    return RemoteState(
        remote_id=f"msgbatch_{number}",
        status=status,
        counts=Counts(processing=2),
        created_ts=to_text(START),
        expires_ts=to_text(START + timedelta(days=1)),
        ended_ts=to_text(START + timedelta(hours=1)) if status == BatchStatus.ENDED else None,
    )


def send(ledger: Ledger, number: int = 1) -> Batch:
    """Bring the batch as far as the API having it."""
    assert sending.mark_sending(
        ledger, batch(ledger, number), watermark_id="", watermark_ts=None, owner="x"
    )
    assert sending.mark_accepted(ledger, batch(ledger, number), remote(number), "org/ws")
    return batch(ledger, number)


def store_results(
    ledger: Ledger,
    batch: Batch,
    *results: CollectedResult,
    results_bytes: int = 0,
    end: Completion | None = None,
) -> Collected:
    """Collect the batch with these results."""
    ids = {name: number for name, number, _ in collection.ids_of(ledger, batch)}
    rows = [result.as_staged(ids[result.custom_id]) for result in results]
    with collection.staged(ledger, rows) as staged:
        return collection.commit(ledger, batch, staged, results_bytes=results_bytes, end=end)


def a_result(custom_id: str, outcome: Outcome = Outcome.SUCCEEDED) -> CollectedResult:
    """One good line."""
    good = outcome == Outcome.SUCCEEDED
    return CollectedResult(
        custom_id=custom_id,
        outcome=outcome,
        model="claude-sonnet-4-6" if good else None,
        usage=Usage(input_tokens=10, output_tokens=5) if good else Usage(),
        cost_nano=50 if good else 0,
        sync_cost_nano=100 if good else 0,
    )
