"""What the tabs of a batch's page say. Pure."""

import json
from collections.abc import Sequence
from datetime import datetime

from msgspec import to_builtins

from core.reporting import json_reports
from state.model.records import Batch, BatchStatus, Event, Kind
from state.queries.batch_detail import ModelSum
from titan_console.text import format as fmt
from titan_console.text.document import Sheet, SheetMaker
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.request_documents import at, tokens


def overview(batch: Batch, now: datetime) -> Sheet:
    """What it is, where it stands, and what is known of how it goes."""
    made = SheetMaker()
    label = fmt.status(batch)
    due, due_tone = fmt.due(batch, now)
    made.field("Batch", batch.key)
    made.field("At the API", batch.remote_id or "no id yet")
    made.field("Tag", batch.tag)
    made.field("Status", str(label), label.tone)
    made.field("Trouble", fmt.trouble(batch, now), Tone.WARN)
    made.field("Workflow", batch.workflow)
    made.field("Model", batch.model)
    made.field("Kind", "synchronous run" if batch.kind == Kind.SYNC else "message batch")
    made.field(
        "Twin", "the same POST, met twice at the API" if batch.duplicate_of else "", Tone.WARN
    )
    made.field("Due", due if due != fmt.NOTHING else "", due_tone)
    made.field("Deadline", batch.deadline_ts)
    made.heading("Requests")
    _counts(made, batch)
    made.field("Sent", fmt.size(batch.bytes) if batch.bytes else "")
    made.field("Received", fmt.size(batch.results_bytes) if batch.results_bytes else "")
    made.heading("Money")
    made.field("Cost", fmt.cost(batch))
    made.field("Saved", fmt.saved(batch))
    made.field(
        "Paid twice", fmt.money(batch.duplicate_nano) if batch.duplicate_nano else "", Tone.WARN
    )
    made.heading("Times")
    _times(made, batch, now)
    return made.sheet()


def _counts(made: SheetMaker, batch: Batch) -> None:
    made.field("In all", fmt.count(batch.request_count))
    if batch.status in (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING):
        made.field("Ended", "not known: the API tells it when all of them have")
        return
    counts = batch.counts
    made.field("Succeeded", fmt.count(counts.succeeded) if counts.succeeded else "", Tone.GOOD)
    for name, number in (
        ("Errored", counts.errored),
        ("Canceled", counts.canceled),
        ("Expired", counts.expired),
    ):
        made.field(name, fmt.count(number) if number else "", Tone.BAD)


def _times(made: SheetMaker, batch: Batch, now: datetime) -> None:
    for name, timestamp in (
        ("Recorded", batch.created_ts),
        ("Sent", batch.sent_ts),
        ("Accepted", batch.accepted_ts),
        ("Cancel asked", batch.cancel_ts),
        ("Ended", batch.ended_ts),
        ("Collected", batch.collected_ts),
    ):
        made.field(name, at(timestamp, now))
    made.field("Expires", batch.expires_ts if batch.ended_ts is None else "")
    made.field("Next look", batch.next_poll_ts)


def events(found: Sequence[Event], now: datetime) -> Sheet:
    """What happened to it and who did it, the newest first."""
    made = SheetMaker()
    if not found:
        made.text("Nothing has happened to it yet.")
    for event in found:
        detail = ", ".join(f"{name}={value}" for name, value in event.detail.items())
        made.line(
            Part(f"{event.at}  ", Tone.DIM),
            Part(f"{fmt.since(event.at, now):>8}  ", Tone.DIM),
            Part(f"{event.kind:<22}", Tone.BUSY),
            Part(f"  {event.actor}  ", Tone.DIM),
            Part(detail),
        )
    return made.sheet()


def cost(batch: Batch, sums: Sequence[ModelSum]) -> Sheet:
    """What the answers took and cost, by model."""
    made = SheetMaker()
    if batch.collected_ts is None:
        made.text("Nothing has been priced yet: its results have not been collected.")
        return made.sheet()
    for found in sums:
        made.heading(found.model)
        made.field("Answers", fmt.count(found.answers))
        made.field("Tokens", tokens(found.tokens))
        made.field("Cost", fmt.sum_of_money(found.cost_nano, found.unpriced))
        made.field("Synchronously", fmt.sum_of_money(found.sync_cost_nano, found.unpriced))
        if found.unpriced:
            made.field("Unpriced", f"{found.unpriced:,} answers: no known price", Tone.WARN)
        if found.duplicate:
            made.field("Paid twice", f"{found.duplicate:,} answers came a second time", Tone.WARN)
    made.heading("The batch")
    made.field("Cost", fmt.cost(batch))
    made.field("Saved", fmt.saved(batch), Tone.GOOD)
    made.field("Formula", "the sum of its answers; each request's tab Cost shows its own rates")
    return made.sheet()


def raw(batch: Batch) -> Sheet:
    """The row of the ledger, and what `status --json` says of it."""
    made = SheetMaker()
    made.heading("As status --json prints it")
    made.text(json.dumps(to_builtins(json_reports.batch(batch)), indent=2, ensure_ascii=False))
    made.heading("The row of the ledger")
    made.text(json.dumps(to_builtins(batch), indent=2, ensure_ascii=False, default=str))
    return made.sheet()
