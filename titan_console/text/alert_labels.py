"""Alerts as text. Pure."""

from datetime import datetime

from state.model.timestamps import from_text, to_text
from state.operations.alerts import Alert
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

# Subjects of alerts that are about no single thing.
_WHOLE_LEDGER = ("day", "polls", "api")


def subject(stored: str) -> str:
    """What the alert is about; empty for the whole ledger."""
    return "" if stored in _WHOLE_LEDGER else stored


def state(alert: Alert, now: datetime) -> Label:
    """Whether it is raised, acknowledged, or muted and for how long."""
    if alert.acknowledged_by:
        return Label("-", "acknowledged", Tone.DIM)
    if alert.muted_until_ts and alert.is_silenced(to_text(now)):
        return Label("-", f"muted {fmt.span(from_text(alert.muted_until_ts) - now)}", Tone.DIM)
    return Label("!", "raised", Tone.BAD)
