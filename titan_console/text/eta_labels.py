"""Estimates as cells: when a batch ends, and the risk for its deadline. Pure."""

from collections.abc import Mapping
from datetime import datetime

from core.money.eta import Eta, Risk, Stage
from core.text import pluralize
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

_NO_HISTORY = "no history yet"
_RISK: Mapping[Risk, Label] = {
    Risk.PAST: Label("✗", "sync due", Tone.BAD),
    Risk.HIGH: Label("‼", "high", Tone.BAD),
    Risk.MEDIUM: Label("!", "medium", Tone.WARN),
    Risk.UNKNOWN: Label("?", "unknown", Tone.DIM),
    Risk.LOW: Label("✓", "low", Tone.GOOD),
    Risk.NONE: Label("·", "no deadline", Tone.DIM),
}
_LATE = Label("✗", "late", Tone.BAD)
# What needs no attention, as cells.
USUAL_RISKS = (str(_RISK[Risk.LOW]), str(_RISK[Risk.UNKNOWN]))


def ends(found: Eta, now: datetime, *, is_paused: bool) -> tuple[str, Tone]:
    """The time from now until it ends: p50 to p95 of comparable batches.

    A batch that is not sent takes that long from its sending, so at least that long from now; while
    its workflow is paused, nothing is known.
    """
    if is_paused and found.stage == Stage.NOT_SENT:
        return fmt.NOTHING, Tone.DIM
    if found.stage == Stage.ENDING:
        return "soon", Tone.DIM
    if found.exceeds_history:
        return "overdue", Tone.WARN
    if found.p50 is None or found.p95 is None:
        return _NO_HISTORY, Tone.DIM
    low, high = fmt.rough_span(found.p50 - now), fmt.rough_span(found.p95 - now)
    band = low if low == high else f"{low}-{high}"
    if found.stage == Stage.NOT_SENT:
        return f"≥ {band}", Tone.DIM
    return band, Tone.PLAIN


def risk(found: Eta) -> Label:
    """How likely the deadline guard runs requests synchronously before the batch ends."""
    return _LATE if found.is_late else _RISK[found.risk]


def reason(found: Eta) -> str:
    """The basis of the estimate; empty without an estimate.

    All earlier batches are counted: those that took longer than this one has run get fewer.
    """
    if found.exceeds_history:
        return f"longer than all {fmt.count(found.known)} earlier batches"
    if not found.comparable:
        return ""
    runs = f"estimated from {pluralize(found.known, 'earlier batch', 'earlier batches')}"
    if found.stage == Stage.NOT_SENT:
        runs += ", counted from sending"
    if found.late_probability is None:
        return runs
    if found.is_late:
        return f"{runs}; its deadline has passed"
    if not found.late:
        return f"{runs}; in time for its deadline"
    return f"{runs}; {found.late_probability:.0%} risk of a sync run at full price"
