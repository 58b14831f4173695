"""The tabs of a request's page as documents. Pure."""

import json
from collections.abc import Sequence
from datetime import datetime

from msgspec import to_builtins

from core.money.explain import Explanation
from core.money.pricing import exact_text, prompt_tokens
from core.reporting import request_report
from core.reporting.request_report import Origins
from core.text import pluralize
from state.files.folder import Folder
from state.model.records import REVIEW_STOP_REASONS, Outcome
from state.model.usage import Tokens, Usage
from state.queries.request_detail import AttemptRecord, RequestRecord
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.format import Tone
from titan_console.text.lines import Part

_NEEDS_EDIT = "invalid_request_error"


def overview(request: RequestRecord, now: datetime) -> Document:
    """Identity, status, submission and the current attempt, else the one that counts."""
    builder = DocumentBuilder()
    label = fmt.request_status(request.status)
    builder.field("Request", request.custom_id)
    builder.field("Tag", request.tag)
    builder.field("Status", str(label), label.tone)
    builder.field("Workflow", request.workflow)
    builder.field("Job", request.job)
    builder.field("Model", request.model)
    builder.field("Submitted", f"{at(request.created_ts, now)} by {request.created_by}")
    builder.field("Submission", request.submission_key)
    builder.field("Deadline", fmt.local_time(request.deadline_ts))
    builder.field("Betas", request.betas)
    builder.field("Body", fmt.size(request.body.length))
    builder.field("Attempts", fmt.count(len(request.attempts)))
    if shown := request.current:
        number = f"Attempt {request.attempts.index(shown) + 1:,} of {len(request.attempts):,}"
        builder.heading(f"{number}, succeeded" if shown.is_settling else number)
        _attempt(builder, shown, now)
    return builder.build()


def attempts(request: RequestRecord, now: datetime) -> Document:
    """All attempts, newest first."""
    builder = DocumentBuilder()
    if not request.attempts:
        builder.text("No attempt yet: queued for the next poll.")
    numbered = list(enumerate(request.attempts, 1))
    for number, attempt in reversed(numbered):
        builder.heading(f"Attempt {number:,} of {len(numbered):,}")
        _attempt(builder, attempt, now)
    return builder.build()


def _attempt(builder: DocumentBuilder, attempt: AttemptRecord, now: datetime) -> None:
    builder.field("Batch", attempt.batch_key)
    builder.field("Mode", fmt.mode(attempt.kind, is_replay=attempt.is_replay))
    _outcome(builder, attempt)
    builder.field("Sent", at(attempt.sent_ts, now))
    builder.field("Ended", at(attempt.ended_ts, now))
    builder.field("Edited", "body changed since it was submitted" if attempt.edit_id else "")
    builder.field("Model", attempt.model or attempt.requested_model)
    if attempt.outcome == Outcome.SUCCEEDED:
        builder.field("Tokens", tokens(attempt.usage))
        builder.field("Also billed", _billed(attempt.usage))
        builder.field("Cost", fmt.money(attempt.cost_nano))
        builder.field("Unpriced", attempt.unpriced, Tone.WARN)
        builder.field("Saved", _saved(attempt))
    if attempt.is_duplicate:
        builder.field(
            "Duplicate", "charged although the request had already been answered", Tone.WARN
        )


def _outcome(builder: DocumentBuilder, attempt: AttemptRecord) -> None:
    if attempt.outcome is None:
        builder.field("Status", _pending(attempt), Tone.BUSY)
        builder.field(
            "Last problem", ledger_messages.in_details(attempt.batch_error or ""), Tone.WARN
        )
        return
    label = fmt.outcome(attempt.outcome)
    builder.field("Outcome", str(label), label.tone)
    needs_a_look = attempt.stop_reason in REVIEW_STOP_REASONS
    builder.field("Stop reason", attempt.stop_reason, Tone.WARN if needs_a_look else Tone.PLAIN)
    builder.field("Invalid", attempt.invalid, Tone.WARN)
    builder.field("Error", attempt.error_type, Tone.BAD)
    builder.field("Message", attempt.error_message)


def _pending(attempt: AttemptRecord) -> str:
    """The state of an attempt without an outcome: in progress only once its batch was sent."""
    if not attempt.is_active:
        return "- not run"
    return "▸ in progress" if attempt.sent_ts else "◦ queued"


def tokens(usage: Usage) -> str:
    """Tokens by kind; kinds without tokens are left out."""
    parts = (
        (usage.input_tokens, "in"),
        (usage.output_tokens, "out"),
        (usage.cache_write_5m_tokens, "cache write 5m"),
        (usage.cache_write_1h_tokens, "cache write 1h"),
        (usage.cache_read_tokens, "cache read"),
        *((_total(part), part.type) for part in usage.iterations),
    )
    return ", ".join(f"{number:,} {what}" for number, what in parts if number) or "none"


def _total(part: Tokens) -> int:
    return prompt_tokens(part) + part.output_tokens


def _billed(usage: Usage) -> str:
    """What changes the price beside the tokens."""
    found = (
        pluralize(usage.web_searches, "web search", "web searches") if usage.web_searches else "",
        f"region {usage.inference_geo}" if usage.inference_geo == "us" else "",
        f"speed {usage.speed}" if usage.speed not in (None, "standard") else "",
    )
    return ", ".join(filter(None, found))


def _saved(attempt: AttemptRecord) -> str:
    if attempt.cost_nano is None or attempt.sync_cost_nano is None:
        return fmt.UNPRICED
    return fmt.money(attempt.sync_cost_nano - attempt.cost_nano)


def at(timestamp: str | None, now: datetime) -> str:
    """A local time and its age; empty for None."""
    return f"{fmt.local_time(timestamp)} ({fmt.since(timestamp, now)} ago)" if timestamp else ""


def raw(request: RequestRecord, origins: Origins, folder: Folder) -> Document:
    """The request as `show --json` prints it: all ids, times in UTC, and where its bodies lie."""
    builder = DocumentBuilder()
    builder.heading("Raw JSON (titan-console show --json)")
    record = to_builtins(request_report.report(request, origins, folder))
    builder.text(json.dumps(record, indent=2, ensure_ascii=False))
    return builder.build()


def errors(request: RequestRecord) -> Document:
    """The error of each failed attempt, newest first, and the next step."""
    builder = DocumentBuilder()
    failed = [
        (number, attempt)
        for number, attempt in enumerate(request.attempts, 1)
        if attempt.outcome not in (None, Outcome.SUCCEEDED)
    ]
    if not failed:
        builder.text("No attempt has failed.")
    for number, attempt in reversed(failed):
        builder.heading(f"Attempt {number:,}, batch {attempt.batch_key}")
        _outcome(builder, attempt)
        builder.field(
            "Batch error", ledger_messages.in_details(attempt.batch_error or ""), Tone.WARN
        )
        builder.field("Suggested", _advice(attempt))
    return builder.build()


def _advice(attempt: AttemptRecord) -> str:
    if attempt.error_type == _NEEDS_EDIT:
        return "edit and replay; it would fail again unchanged"
    if attempt.outcome == Outcome.MISSING:
        return "replay: it is missing from the API's results"
    return "replay"


def cost(explained: Sequence[Explanation]) -> Document:
    """The cost of each attempt: tokens times rates, compared with the ledger."""
    builder = DocumentBuilder()
    if not explained:
        builder.text("No cost yet: no attempt has ended.")
    for number, found in reversed(list(enumerate(explained, 1))):
        builder.heading(f"Attempt {number:,}, {found.attempt.model}, {found.attempt.kind.value}")
        for part in found.parts:
            builder.line(
                Part(f"{part.kind:<16}", Tone.DIM),
                Part(f"{part.tokens:>12,} x ${part.usd_per_mtok:f} per million"),
                Part(f" = ${part.sync_usd:f}"),
            )
        for fee in found.fees:
            builder.line(
                Part(f"{fee.kind:<16}", Tone.DIM),
                Part(f"{fee.count:>12,} x ${fee.usd_each:f} each"),
                Part(f" = ${fee.usd:f}"),
            )
        region = found.attempt.usage.inference_geo
        builder.field("Region", region if region != "not_available" else "")
        tier = found.attempt.usage.service_tier or ""
        builder.field("Service tier", tier if tier != found.attempt.kind else "")
        builder.field("Speed", found.attempt.usage.speed or "")
        builder.field("Formula", found.formula)
        builder.field("Cost", _exactly(found.cost_nano))
        builder.field("Sync price", _exactly(found.sync_cost_nano))
        builder.field("Price date", found.attempt.priced_ts[:10])
        if found.agrees:
            builder.field("Recorded cost", "✓ matches", Tone.GOOD)
        else:
            held = f"{_exactly(found.attempt.cost_nano)}, {_exactly(found.attempt.sync_cost_nano)}"
            builder.field("Recorded cost", f"! differs, with sync price: {held}", Tone.BAD)
    return builder.build()


def _exactly(nano: int | None) -> str:
    if not nano:
        return fmt.money(nano)
    return exact_text(nano)
