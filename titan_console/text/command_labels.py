"""What the console says of commands: names, keys, countdowns and results. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from core import text
from state.model.timestamps import from_text
from state.operations.commands import Action, Command, CommandState
from titan_console.text.format import Tone
from titan_console.text.lines import Part

LABELS = {
    Action.REPLAY: "Replay",
    Action.CANCEL: "Cancel",
    Action.SYNC: "Force sync",
    Action.ACKNOWLEDGE: "Acknowledge",
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
}
# In the order of the buttons; a pause of what is paused is a resume.
KEYS = {
    Action.REPLAY: "R",
    Action.CANCEL: "C",
    Action.SYNC: "F",
    Action.ACKNOWLEDGE: "X",
    Action.PAUSE: "P",
}
_NOUNS = {
    Action.CANCEL: ("batch", "batches"),
    Action.PAUSE: ("workflow", "workflows"),
    Action.RESUME: ("workflow", "workflows"),
}


def counted(action: Action, count: int) -> str:
    """As in `3 requests`."""
    one, many = _NOUNS.get(action, ("request", "requests"))
    return text.pluralize(count, one, many)


def phrase(action: Action, count: int) -> str:
    """As in `Replay 3 requests`."""
    return f"{LABELS[action]} {counted(action, count)}"


def named(command: Command) -> str:
    """A command in words: a single workflow by its name, the rest by their number."""
    if len(command.workflows) == 1:
        return f"{LABELS[command.action]} {command.workflows[0]}"
    return phrase(command.action, command.item_count)


# A command that was given elsewhere has somebody there to make its poll; but not for ever.
_GRACE = timedelta(seconds=5)


def waiting(commands: Sequence[Command]) -> list[Command]:
    """Those that can still be withdrawn, oldest first."""
    return [command for command in commands if command.state == CommandState.PENDING]


def is_poll_due(commands: Sequence[Command], own: Collection[str], now: datetime) -> bool:
    """Whether something waits for a poll; `own` are the keys of what was given here."""
    return any(
        from_text(command.not_before_ts) + (timedelta(0) if command.key in own else _GRACE) <= now
        for command in waiting(commands)
    )


def countdown(
    commands: Sequence[Command],
    own: Collection[str],
    now: datetime,
    *,
    is_polling: bool,
    can_withdraw: bool,
) -> tuple[Part, ...]:
    """The newest command that waits, and how long; nothing where none does."""
    pending = waiting(commands)
    if not pending:
        return ()
    newest = pending[-1]
    left = from_text(newest.not_before_ts) - now
    asides = [
        "" if newest.key in own else f"by {newest.who}",
        "z takes it back" if can_withdraw else "",
        f"{len(pending) - 1:,} more wait" if len(pending) > 1 else "",
    ]
    aside = "".join(f" · {text}" for text in asides if text)
    if left > timedelta(0):
        seconds = -(-left // timedelta(seconds=1))
        return (
            Part(f"◔ {named(newest)} in {seconds:,} s", Tone.WARN, strong=True),
            Part(aside, Tone.DIM),
        )
    if is_polling:
        return (Part(f"▸ {named(newest)}: a poll is at work", Tone.BUSY, strong=True),)
    return (
        Part(f"◔ {named(newest)}: waits for the next poll", Tone.WARN, strong=True),
        Part(aside, Tone.DIM),
    )


def ending(command: Command) -> tuple[str, Tone]:
    """What came of a command, in words."""
    match command.state:
        case CommandState.DONE:
            return f"✓ {named(command)}: {command.outcome}", Tone.GOOD
        case CommandState.FAILED:
            return f"✗ {named(command)}: {command.outcome}", Tone.BAD
        case CommandState.WITHDRAWN:
            return f"⊘ {named(command)}: taken back, nothing was done", Tone.DIM
        case _:
            return f"▸ {named(command)}: under way, the next polls go on with it", Tone.BUSY
