"""What the tabs of a request's page say. Pure."""

from collections.abc import Sequence
from datetime import datetime

from core.money.explain import Explanation
from core.money.pricing import dollars
from state.model.records import REVIEW_STOP_REASONS, Outcome, Usage
from state.queries.request_detail import AttemptRecord, RequestRecord
from titan_console.text import format as fmt
from titan_console.text.document import Sheet, SheetMaker
from titan_console.text.format import Tone
from titan_console.text.lines import Part

_NEEDS_EDIT = "invalid_request_error"


def overview(request: RequestRecord, now: datetime) -> Sheet:
    """Who asked what for when, and where it stands."""
    made = SheetMaker()
    label = fmt.request_status(request.status)
    made.field("Request", request.custom_id)
    made.field("Tag", request.tag)
    made.field("Status", str(label), label.tone)
    made.field("Workflow", request.workflow)
    made.field("Job", request.job)
    made.field("Model", request.model)
    made.field("SubmitResult", f"{at(request.created_ts, now)} by {request.created_by}")
    made.field("Submission", request.submission_key)
    made.field("Deadline", request.deadline_ts)
    made.field("Betas", request.betas)
    made.field("Payload", fmt.size(request.body.length))
    made.field("Attempts", fmt.count(len(request.attempts)))
    if request.best is not None:
        made.heading("What settled it" if request.best.is_settling else "Last attempt")
        _attempt(made, request.best, now)
    return made.sheet()


def attempts(request: RequestRecord, now: datetime) -> Sheet:
    """Every try, the newest first."""
    made = SheetMaker()
    if not request.attempts:
        made.text("It has not been in a batch yet: the next poll puts it into one.")
    numbered = list(enumerate(request.attempts, 1))
    for number, attempt in reversed(numbered):
        made.heading(f"Attempt {number:,} of {len(numbered):,}")
        _attempt(made, attempt, now)
    return made.sheet()


def _attempt(made: SheetMaker, attempt: AttemptRecord, now: datetime) -> None:
    made.field("Batch", attempt.batch_key)
    made.field("At the API", attempt.remote_id)
    made.field("Kind", "synchronous run" if attempt.kind == "sync" else "")
    _outcome(made, attempt)
    made.field("Sent", at(attempt.sent_ts, now))
    made.field("Ended", at(attempt.ended_ts, now))
    made.field("Edited", "with another body than it was submitted with" if attempt.edit_id else "")
    made.field("Model", attempt.model or attempt.requested_model)
    if attempt.outcome == Outcome.SUCCEEDED:
        made.field("Tokens", tokens(attempt.usage))
        made.field("Cost", fmt.money(attempt.cost_nano))
        made.field("Saved", _saved(attempt))
    if attempt.is_duplicate:
        made.field("Paid twice", "the request was answered already", Tone.WARN)


def _outcome(made: SheetMaker, attempt: AttemptRecord) -> None:
    if attempt.outcome is None:
        made.field("Outcome", "▸ under way" if attempt.is_active else "- never ran", Tone.BUSY)
        made.field("Last trouble", attempt.batch_error, Tone.WARN)
        return
    label = fmt.outcome(attempt.outcome)
    made.field("Outcome", str(label), label.tone)
    needs_a_look = attempt.stop_reason in REVIEW_STOP_REASONS
    made.field("Stop reason", attempt.stop_reason, Tone.WARN if needs_a_look else Tone.PLAIN)
    made.field("Error", attempt.error_type, Tone.BAD)
    made.field("Message", attempt.error_message)


def tokens(usage: Usage) -> str:
    """Tokens by kind; those of which there are none are left out."""
    parts = (
        (usage.input_tokens, "in"),
        (usage.output_tokens, "out"),
        (usage.cache_write_5m_tokens, "written to the 5m cache"),
        (usage.cache_write_1h_tokens, "written to the 1h cache"),
        (usage.cache_read_tokens, "read from the cache"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in parts if number) or "none"


def _saved(attempt: AttemptRecord) -> str:
    if attempt.cost_nano is None or attempt.sync_cost_nano is None:
        return fmt.UNPRICED
    return fmt.money(attempt.sync_cost_nano - attempt.cost_nano)


def at(timestamp: str | None, now: datetime) -> str:
    """A time, and how long ago that was; nothing for none."""
    return f"{timestamp}, {fmt.since(timestamp, now)} ago" if timestamp else ""


def errors(request: RequestRecord) -> Sheet:
    """What went wrong in each attempt, the newest first, and what can be done."""
    made = SheetMaker()
    failed = [
        (number, attempt)
        for number, attempt in enumerate(request.attempts, 1)
        if attempt.outcome not in (None, Outcome.SUCCEEDED)
    ]
    if not failed:
        made.text("No attempt has failed.")
    for number, attempt in reversed(failed):
        made.heading(f"Attempt {number:,}, batch {attempt.batch_key}")
        _outcome(made, attempt)
        made.field("Batch says", attempt.batch_error, Tone.WARN)
        made.field("What to do", _advice(attempt))
    return made.sheet()


def _advice(attempt: AttemptRecord) -> str:
    if attempt.error_type == _NEEDS_EDIT:
        return "it would fail again as it is: replay it with an edit"
    if attempt.outcome == Outcome.MISSING:
        return "the API's results left it out; it can be replayed"
    return "it can be replayed as it is"


def cost(explained: Sequence[Explanation]) -> Sheet:
    """Each attempt's price: tokens times rates, and whether the ledger holds the same."""
    made = SheetMaker()
    if not explained:
        made.text("Nothing has been priced yet: no attempt has ended.")
    for number, found in reversed(list(enumerate(explained, 1))):
        made.heading(f"Attempt {number:,}, {found.attempt.model}, {found.attempt.kind.value}")
        for part in found.parts:
            made.line(
                Part(f"{part.kind:<16}", Tone.DIM),
                Part(f"{part.tokens:>12,} x ${part.usd_per_mtok:f} per million"),
                Part(f" = ${part.sync_usd:f}"),
            )
        made.field("Formula", found.formula)
        made.field("Cost", _exactly(found.cost_nano))
        made.field("Synchronously", _exactly(found.sync_cost_nano))
        made.field("Prices of", found.attempt.priced_ts[:10])
        if found.agrees:
            made.field("Ledger", "✓ holds the same", Tone.GOOD)
        else:
            held = f"{_exactly(found.attempt.cost_nano)}, {_exactly(found.attempt.sync_cost_nano)}"
            made.field("Ledger", f"! holds {held} synchronously", Tone.BAD)
    return made.sheet()


def _exactly(nano: int | None) -> str:
    return fmt.UNPRICED if nano is None else f"${dollars(nano):f}"
