"""Events as text: kind, subject, reason and outcome. Pure."""

from collections.abc import Mapping

from core.batches import holds
from core.text import pluralize
from state.queries.event_list import EventLine
from titan_console.text import alert_labels
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone

# Details for support, shown on the page of the event.
_INTERNAL = ("watermark", "identified_by")
_WHY = ("reason", "message", "problem")
_HOLD_EVENTS = ("hold", "hold.lifted")
_BAD = (
    "rejected",
    "deleted",
    "raised",
    "failed",
    "unresolved",
    "problem",
    "possible_duplicate_charge",
)
_WARN = (
    *("unconfirmed", "not_sent", "poll_failed", "paused", "hold", "canceled_unsent"),
    *("interrupted", "stuck", "returned", "priming_stopped"),
)
_GOOD = (
    "collected",
    "delivered",
    "finished",
    "done",
    "cleared",
    "accepted",
    "resumed",
    "lifted",
    "adopted",
    "found_again",
)


_KINDS = {"batch.rebuilt": "batch restored from files"}
_COUNTED = {"new": "result", "requests": "request", "items": "item"}
_NAMES = {"remote_id": "API batch id"}
_VERDICTS = {
    "candidate": "may belong to this ledger",
    "unknown": "of unknown origin",
    "foreign": "of another program",
}


def what(kind: str) -> Label:
    """The kind of an event as a label."""
    text = _KINDS.get(kind) or kind.replace(".", " ").replace("_", " ")
    last = kind.rpartition(".")[2]
    if last in _BAD:
        return Label("✗", text, Tone.BAD)
    if last in _WARN:
        return Label("!", text, Tone.WARN)
    return Label("✓", text, Tone.GOOD) if last in _GOOD else Label("·", text, Tone.PLAIN)


def concerns(line: EventLine, *, is_short: bool = False) -> str:
    """The subject of an event, else its tag and batch, or one of them where `is_short`."""
    event = line.event
    if event.kind in _HOLD_EVENTS and event.subject:
        return holds.label(event.subject)
    if event.kind.startswith("alert.") and event.subject:
        return alert_labels.subject(event.subject) or str(event.detail.get("rule", ""))
    if is_short:
        return event.subject or line.tag or event.batch_key or ""
    return event.subject or " ".join(part for part in (line.tag, event.batch_key) if part)


def why(detail: Mapping[str, object]) -> str:
    """The reason of an event."""
    return next((str(detail[name]) for name in _WHY if detail.get(name)), "")


def outcome(detail: Mapping[str, object]) -> str:
    """The outcome, else the other details."""
    if detail.get("outcome"):
        return str(detail["outcome"])
    rest = {
        name: value
        for name, value in detail.items()
        if name not in (*_WHY, *_INTERNAL) and value not in (None, "")
    }
    return ", ".join(_detail(name, value) for name, value in rest.items())


def _detail(name: str, value: object) -> str:
    if name in _COUNTED and isinstance(value, int):
        return pluralize(value, _COUNTED[name])
    if (name, value) == ("missing", 0):
        return "none missing"
    match name:
        case "verdict":
            return _VERDICTS.get(str(value), str(value))
        case "was":
            return f"status in the files: {value}"
        case _:
            plain = name.removesuffix("_nano")
    text = fmt.money(value) if plain != name and isinstance(value, int) else str(value)
    return f"{_NAMES.get(plain) or plain.replace('_', ' ')} {text}"


def cost(line: EventLine) -> str:
    """The cost of a collected batch."""
    if line.event.kind != "batch.collected":
        return ""
    return fmt.sum_of_money(line.cost_nano, line.unpriced)
