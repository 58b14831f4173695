"""Estimates as cells say them: when a batch ends, and what its deadline risks. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.money.eta import Eta, Risk, Stage
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

_NO_HISTORY = "no history yet"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_RISK: Mapping[Risk, Label] = {
    Risk.PAST: Label("✗", "past T-2h", Tone.BAD),
    Risk.HIGH: Label("‼", "high", Tone.BAD),
    Risk.MEDIUM: Label("!", "medium", Tone.WARN),
    Risk.UNKNOWN: Label("?", "unknown", Tone.DIM),
    Risk.LOW: Label("✓", "low", Tone.GOOD),
    Risk.NONE: Label("·", "none", Tone.DIM),
}


def rough(time: timedelta) -> str:
    """A stretch of time in one unit, as near as an estimate goes.

    >>> [rough(timedelta(minutes=m)) for m in (0, 12, 75, 100, 700, 4000)]
    ['1m', '12m', '75m', '1.7h', '12h', '2.8d']
    """
    if time < 90 * _MINUTE:
        return f"{max(1, round(time / _MINUTE))}m"
    unit, letter = (_HOUR, "h") if time < 2 * _DAY else (_DAY, "d")
    number = time / unit
    return f"{number:.0f}{letter}" if number >= 10 else f"{number:.1f}{letter}".replace(".0", "")  # noqa: PLR2004 - two digits say enough


def ends(found: Eta, now: datetime) -> tuple[str, Tone]:
    """When it will end, counted from now: the middle of its like to the latest but few."""
    if found.stage == Stage.ENDING:
        return "soon", Tone.DIM
    if found.exceeds_history:
        return f"beyond all {found.known}", Tone.WARN
    if found.p50 is None or found.p95 is None:
        return _NO_HISTORY, Tone.DIM
    low, high = rough(found.p50 - now), rough(found.p95 - now)
    band = low if low == high else f"{low}..{high}"
    if found.stage == Stage.NOT_SENT:
        return f"{band} once sent", Tone.DIM
    return band, Tone.PLAIN


def risk(found: Eta) -> Label:
    """How likely the deadline's guard, two hours before it, comes first."""
    return _RISK[found.risk]


def reason(found: Eta) -> str:
    """What the estimate follows from, in words; nothing where there is none to give."""
    if found.exceeds_history:
        return f"it runs for longer than all {fmt.count(found.known)} before it"
    if not found.comparable:
        return ""
    those = f"by {fmt.count(found.comparable)} that took longer than its age"
    return (
        those
        if found.late_probability is None
        else f"{those}, {fmt.count(found.late)} ended after T-2h"
    )
