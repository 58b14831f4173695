"""The tabs of a batch's page as documents. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import to_builtins

from core.money.cache_gain import CacheGain
from core.money.eta import Eta
from core.reporting import json_reports
from core.text import pluralize
from state.model.records import Batch, BatchStatus, Event
from state.model.timestamps import from_text, to_text
from state.queries.batch_detail import ModelSum
from titan_console.text import eta_labels, event_labels, ledger_messages
from titan_console.text import format as fmt
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.request_documents import at, tokens


class Expected(NamedTuple):
    """When an open batch ends, and what it saves in nano-dollars; None where nothing tells."""

    eta: Eta
    is_paused: bool
    saving_nano: int | None


def overview(
    batch: Batch,
    now: datetime,
    models: Mapping[str, int],
    *,
    submitted_by: str = "",
    queued_because: str | None = None,
    is_replay: bool = False,
    expected: Expected | None = None,
) -> Document:
    """Identity, status, counts, cost and times; what is `expected` of an open batch."""
    builder = DocumentBuilder()
    label = fmt.status(batch)
    due, due_tone = fmt.due(batch, now)
    builder.field("Batch", batch.key)
    builder.field("Tag", batch.tag)
    builder.field("Status", str(label), label.tone)
    problem = ledger_messages.in_details(queued_because or fmt.problem(batch, now))
    builder.field("Problem", problem, Tone.WARN)
    builder.field("Workflow", batch.workflow)
    builder.field("Model", fmt.models(models) or batch.model)
    builder.field("Mode", fmt.mode(batch.kind, is_replay=is_replay))
    builder.field("Lane", fmt.lane(batch.lane))
    builder.field(
        "Duplicate",
        fmt.DUPLICATE if batch.duplicate_of else "",
        Tone.WARN,
    )
    builder.field(
        "Deadline",
        f"{fmt.local_time(batch.deadline_ts)} ({due})" if batch.deadline_ts else "",
        due_tone,
    )
    if expected is not None:
        _expected(builder, batch, expected, now)
    builder.heading("Requests")
    _counts(builder, batch)
    builder.field("Request bytes", fmt.size(batch.bytes) if batch.bytes else "")
    builder.field("Result bytes", fmt.size(batch.results_bytes) if batch.results_bytes else "")
    builder.heading("Cost")
    builder.field("Cost", fmt.cost(batch))
    builder.field("Saved", fmt.saved(batch))
    builder.field(
        "Duplicate", fmt.money(batch.duplicate_nano) if batch.duplicate_nano else "", Tone.WARN
    )
    builder.heading("Times")
    _times(builder, batch, submitted_by, now)
    return builder.build()


def _expected(builder: DocumentBuilder, batch: Batch, expected: Expected, now: datetime) -> None:
    ends, tone = eta_labels.ends(expected.eta, now, is_paused=expected.is_paused)
    basis = "" if ends == fmt.NOTHING else eta_labels.reason(expected.eta)
    builder.field("ETA", f"{ends} ({basis})" if basis else ends, tone)
    if batch.deadline_ts:
        risk = eta_labels.risk(expected.eta)
        builder.field("Risk", str(risk), risk.tone)
    saving = expected.saving_nano
    builder.field("Est. saved", "" if saving is None else fmt.money(saving), Tone.GOOD)


def _counts(builder: DocumentBuilder, batch: Batch) -> None:
    builder.field("Total", fmt.count(batch.request_count))
    if batch.status in (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING):
        builder.field("Counts", "available when the batch has ended")
        return
    counts = batch.counts
    builder.field("Succeeded", fmt.count(counts.succeeded) if counts.succeeded else "", Tone.GOOD)
    for name, number in (
        ("Errored", counts.errored),
        ("Canceled", counts.canceled),
        ("Expired", counts.expired),
    ):
        builder.field(name, fmt.count(number) if number else "", Tone.BAD)


def _times(builder: DocumentBuilder, batch: Batch, submitted_by: str, now: datetime) -> None:
    for name, timestamp, who in (
        ("Queued", batch.created_ts, submitted_by),
        ("Sent", batch.sent_ts, fmt.process(batch.owner)),
        ("Accepted", batch.accepted_ts, ""),
        ("Cancel sent", batch.cancel_ts, ""),
        ("Stuck since", batch.stuck_ts, ""),
        ("Ended", batch.ended_ts, ""),
        ("Collected", batch.collected_ts, ""),
    ):
        by = f" by {who}" if who and timestamp else ""
        builder.field(name, at(timestamp, now) + by)
    is_at_api = batch.accepted_ts is not None and batch.ended_ts is None
    builder.field("So far" if is_at_api else "Took", _took(batch, now))
    builder.field("Expires", fmt.local_time(batch.expires_ts) if batch.ended_ts is None else "")
    builder.field("Next poll", fmt.local_time(batch.next_poll_ts))


def _took(batch: Batch, now: datetime) -> str:
    """How long each stage took, such as `queued 4s  ·  at the API 12m  ·  collected 3m later`."""
    stages = (
        ("queued {}", batch.created_ts, batch.sent_ts),
        ("at the API {}", batch.accepted_ts, batch.ended_ts or to_text(now)),
        ("collected {} later", batch.ended_ts, batch.collected_ts),
    )
    return "  ·  ".join(
        form.format(fmt.span(from_text(end) - from_text(begin)))
        for form, begin, end in stages
        if begin and end
    )


def events(found: Sequence[Event], now: datetime) -> Document:
    """Its events, newest first."""
    builder = DocumentBuilder()
    if not found:
        builder.text("No events yet.")
    for event in found:
        texts = (event_labels.why(event.detail), event_labels.outcome(event.detail))
        parts = map(ledger_messages.in_details, texts)
        builder.line(
            Part(f"{fmt.since(event.at, now):>7}  ", Tone.DIM),
            Part(f"{event_labels.what(event.kind).word:<22}", Tone.BUSY),
            Part(f"  {fmt.local_time(event.at)}  {event.actor}  ", Tone.DIM),
            Part("; ".join(filter(None, parts))),
            hang=9,
        )
    return builder.build()


def cost(batch: Batch, sums: Sequence[ModelSum], cache: CacheGain | None = None) -> Document:
    """Tokens and cost by model, and what the prompt cache gained."""
    builder = DocumentBuilder()
    if batch.collected_ts is None:
        builder.text("No cost yet: the results have not been collected.")
        return builder.build()
    for found in sums:
        builder.heading(found.model)
        builder.field("Answers", fmt.count(found.answers))
        builder.field("Tokens", tokens(found.tokens))
        if found.fee_nano:
            builder.field("Web searches", fmt.count(found.tokens.web_searches))
            builder.field("Fees", f"{fmt.money(found.fee_nano)} of the cost")
        builder.field("Cost", fmt.sum_of_money(found.cost_nano, found.unpriced))
        builder.field("Sync price", fmt.sum_of_money(found.sync_cost_nano, found.unpriced))
        if found.unpriced:
            builder.field(
                "Unpriced", f"{pluralize(found.unpriced, 'answer')}: {found.reasons}", Tone.WARN
            )
        if found.duplicate:
            builder.field("Duplicate", f"{found.duplicate:,} answers were charged twice", Tone.WARN)
    builder.heading("The batch")
    builder.field("Cost", fmt.cost(batch))
    builder.field("Saved", fmt.saved(batch), Tone.GOOD)
    if cache is not None:
        _cache(builder, cache)
    builder.field("Formula", "sum of its answers; the Cost tab of a request shows its rates")
    return builder.build()


def _cache(builder: DocumentBuilder, cache: CacheGain) -> None:
    hits = f"{cache.hit_rate:.1%} of {fmt.count(cache.read_tokens + cache.written_tokens)} tokens"
    builder.field("Cache hits", f"{hits}{', primed' if cache.is_primed else ''}")
    if cache.gain_nano is None:
        builder.field("Cache gain", fmt.UNPRICED, Tone.WARN)
        return
    is_loss = cache.gain_nano < 0
    than = f"{fmt.money(cache.uncached_nano)} without a cache"
    builder.field(
        "Cache loss" if is_loss else "Cache gain",
        f"{fmt.money(abs(cache.gain_nano))}; {than}",
        Tone.WARN if is_loss else Tone.GOOD,
    )


def raw(batch: Batch) -> Document:
    """The batch as `status --json` prints it, and its ledger row."""
    builder = DocumentBuilder()
    builder.heading("status --json")
    builder.text(json.dumps(to_builtins(json_reports.batch(batch)), indent=2, ensure_ascii=False))
    builder.heading("Ledger row")
    builder.text(json.dumps(to_builtins(batch), indent=2, ensure_ascii=False, default=str))
    return builder.build()
