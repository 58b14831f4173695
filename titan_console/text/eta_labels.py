"""Estimates as cells say them: when a batch ends, and what its deadline risks. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.money.eta import Outlook, Risk, Stage
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

_NO_HISTORY = "no history yet"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_RISK: Mapping[Risk, Label] = {
    Risk.PAST: Label("✗", "past T-2h", Tone.BAD),
    Risk.HIGH: Label("‼", "high", Tone.BAD),
    Risk.SOME: Label("!", "some", Tone.WARN),
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


def ends(found: Outlook, now: datetime) -> tuple[str, Tone]:
    """When it will end, counted from now: the middle of its like to the latest but few."""
    if found.stage == Stage.ENDING:
        return "soon", Tone.DIM
    if found.is_longest:
        return f"beyond all {found.known}", Tone.WARN
    if found.low is None or found.high is None:
        return _NO_HISTORY, Tone.DIM
    low, high = rough(found.low - now), rough(found.high - now)
    band = low if low == high else f"{low}..{high}"
    if found.stage == Stage.NOT_SENT:
        return f"{band} once sent", Tone.DIM
    return band, Tone.PLAIN


def risk(found: Outlook) -> Label:
    """How likely the deadline's guard, two hours before it, comes first."""
    return _RISK[found.risk]


def reason(found: Outlook) -> str:
    """What the estimate follows from, in words; nothing where there is none to give."""
    if found.is_longest:
        return f"it runs for longer than all {fmt.count(found.known)} before it"
    if not found.like_it:
        return ""
    those = f"by {fmt.count(found.like_it)} that took longer than its age"
    return those if found.miss is None else f"{those}, {fmt.count(found.late)} ended after T-2h"
