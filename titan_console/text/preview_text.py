"""What a receipt says before a verb is confirmed, line by line. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from state.model.timestamps import from_text
from state.operations.commands import Action
from titan_console.text import format as fmt
from titan_console.text.command_labels import counted
from titan_console.text.format import Tone

if TYPE_CHECKING:
    from core.commands.preview import Preview

# From here on a slip of the finger costs too much: the number must be typed.
MANY_ROWS = 100
MUCH_NANO = 1_000_000_000
# The API's own limit for a batch.
_BATCH_TIME = timedelta(hours=24)


class Fact(Struct, frozen=True):
    """One line of the receipt."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN


def facts(preview: "Preview", words: str, now: datetime) -> list[Fact]:
    """Everything to know before; `words` is what the verb stands on."""
    return [
        Fact("on", f"{words}: {counted(preview.action, preview.count)}, and none that come later"),
        *_samples(preview, words),
        Fact("cost", _money(preview)),
        *_due(preview.action, preview.deadlines, now),
        *(
            Fact("skipped", f"{count:,} {reason}", Tone.WARN)
            for reason, count in preview.skipped.items()
        ),
        *(Fact("note", note) for note in preview.notes),
    ]


def _samples(preview: "Preview", words: str) -> list[Fact]:
    """What the first ones are called, where that is news."""
    if preview.count == 1 and preview.samples[0] in words:
        return []
    more = preview.count - len(preview.samples)
    return [
        Fact(
            "such as",
            ", ".join(preview.samples) + (f", and {more:,} more" if more > 0 else ""),
            Tone.DIM,
        )
    ]


def must_type(preview: "Preview", *, is_all: bool) -> str:
    """Why the number of rows has to be typed; empty where `y` is enough."""
    if preview.count > MANY_ROWS:
        return f"more than {MANY_ROWS:,} rows"
    spend = preview.sync_cost_nano if preview.action == Action.SYNC else preview.batch_cost_nano
    if spend is None:
        return "an unknown price"
    if spend > MUCH_NANO:
        return f"more than {fmt.money(MUCH_NANO)}"
    return "everything that matches" if is_all and preview.count > 1 else ""


def _money(preview: "Preview") -> str:
    batch, sync = (
        fmt.money(nano) if nano is None else f"≈ {fmt.money(nano)}"
        for nano in (preview.batch_cost_nano, preview.sync_cost_nano)
    )
    match preview.action:
        case Action.SYNC:
            return f"sync {sync} · in a batch it would be {batch}"
        case Action.REPLAY | Action.RESUME:
            return f"batch {batch} · sync {sync}"
        case Action.CANCEL:
            return "nothing; what has been answered is kept, and stays billed"
        case _:
            return "nothing"


def _due(action: Action, deadlines: Sequence[str], now: datetime) -> list[Fact]:
    if not deadlines:
        return []
    left = from_text(deadlines[0]) - now
    first = "the first " if len(deadlines) > 1 else ""
    if left <= timedelta(0):
        return [Fact("deadline", f"{first}passed {fmt.span(-left)} ago: it is late", Tone.BAD)]
    tone = Tone.WARN if left < fmt.SOON else Tone.PLAIN
    return [Fact("deadline", f"{first}in {fmt.span(left)}: {_effect(action, left)}", tone)]


def _effect(action: Action, left: timedelta) -> str:
    """What the verb means for the deadline."""
    guard = "what is still missing 2 hours before is run synchronously, at the full price"
    match action:
        case Action.REPLAY | Action.RESUME if left < fmt.SOON:
            return "too near for a batch; what is missing is run synchronously, at the full price"
        case Action.REPLAY | Action.RESUME if left > _BATCH_TIME:
            return "later than a batch can take"
        case Action.SYNC:
            return "answered as soon as the batches that hold them have ended"
        case Action.ACKNOWLEDGE:
            return "these get no answer"
        case _:
            return guard
