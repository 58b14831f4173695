"""Names, keys, countdowns and results of commands. Pure."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from core import text
from state.model.timestamps import from_text
from state.operations.commands import Action, Command, CommandState
from titan_console.text import format as fmt
from titan_console.text.format import Tone
from titan_console.text.lines import Part

LABELS = {
    Action.REPLAY: "Replay",
    Action.CANCEL: "Cancel",
    Action.SYNC: "Sync",
    Action.ACKNOWLEDGE: "Acknowledge",
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
}
# In the order of the buttons; P resumes a workflow that is paused.
KEYS = {
    Action.REPLAY: "R",
    Action.CANCEL: "C",
    Action.SYNC: "F",
    Action.ACKNOWLEDGE: "X",
    Action.PAUSE: "P",
}
# What each does, for the help.
EXPLAINED = {
    Action.REPLAY: "run errored requests again, in a new batch",
    Action.CANCEL: "end open batches early",
    Action.SYNC: "run requests without an answer now, at full price",
    Action.ACKNOWLEDGE: "take errors off the list without a replay",
    Action.PAUSE: "stop or resume sending its batches",
}
# Why a key does nothing on a page, in the words after the label.
NO_TARGET = {
    Action.REPLAY: "select an errored request or its batch",
    Action.CANCEL: "select an open batch",
    Action.SYNC: "select a request without an answer or its batch",
    Action.ACKNOWLEDGE: "select an errored request, an answer to review, or its batch",
    Action.PAUSE: "select a batch or workflow",
}
# Their poll sends the requests.
_SENT_BY_POLL = (Action.REPLAY, Action.RESUME)
_NOUNS = {
    Action.CANCEL: ("batch", "batches"),
    Action.PAUSE: ("workflow", "workflows"),
    Action.RESUME: ("workflow", "workflows"),
}


def button(action: Action, *, resumes: bool = False) -> str:
    """The label of a button; `p` freezes the view, so P names what it pauses or `resumes`."""
    if action != Action.PAUSE:
        return LABELS[action]
    return "Resume workflow" if resumes else "Pause workflow"


def binding(action: Action) -> str:
    """The label of a key, which is the same in every state."""
    return "Pause or resume workflow" if action == Action.PAUSE else LABELS[action]


def noun(action: Action, count: int) -> str:
    """What a command applies to, as in `requests`."""
    one, many = _NOUNS.get(action, ("request", "requests"))
    return one if count == 1 else many


def counted(action: Action, count: int) -> str:
    """As in `3 requests`."""
    return text.pluralize(count, noun(action, 1), noun(action, 2))


def phrase(action: Action, count: int) -> str:
    """As in `Replay 3 requests`."""
    return f"{LABELS[action]} {counted(action, count)}"


def named(command: Command) -> str:
    """A command with its target: one workflow by name, others by number."""
    if len(command.workflows) == 1:
        return f"{LABELS[command.action]} {command.workflows[0]}"
    return phrase(command.action, command.item_count)


# How the outcome of a synchronous run begins that has the number of requests.
_ANSWERED = re.compile(r"[\d,]+ (of [\d,]+ )?answered")
# The program that gave a command also starts its poll; after that delay this console does.
_GRACE = timedelta(seconds=5)


def pending(commands: Sequence[Command]) -> list[Command]:
    """Those that can still be withdrawn, oldest first."""
    return [command for command in commands if command.state == CommandState.PENDING]


def is_poll_due(commands: Sequence[Command], own: Collection[str], now: datetime) -> bool:
    """Whether a command waits for a poll; `own` are the keys of those given here."""
    return any(
        from_text(command.not_before_ts) + (timedelta(0) if command.key in own else _GRACE) <= now
        for command in pending(commands)
    )


def countdown(
    commands: Sequence[Command],
    own: Collection[str],
    now: datetime,
    *,
    is_polling: bool,
    can_withdraw: bool,
) -> tuple[Part, ...]:
    """The newest pending command and the time until it runs; empty where none is pending."""
    found = pending(commands)
    if not found:
        return ()
    newest = found[-1]
    left = from_text(newest.not_before_ts) - now
    asides = [
        "" if newest.key in own else f"by {newest.who}",
        "z to withdraw" if can_withdraw else "",
        f"{len(found) - 1:,} more pending" if len(found) > 1 else "",
    ]
    aside = Part("".join(f" · {text}" for text in asides if text), Tone.DIM)
    if left > timedelta(0):
        seconds = -(-left // timedelta(seconds=1))
        return (
            Part(
                f"◔ {named(newest)} in {fmt.span(timedelta(seconds=seconds))}",
                Tone.WARN,
                strong=True,
            ),
            aside,
        )
    if is_polling:
        return (Part(f"▸ {named(newest)}: running in a poll", Tone.BUSY, strong=True),)
    return (Part(f"◔ {named(newest)}: runs at the next poll", Tone.WARN, strong=True), aside)


def result(command: Command, *, poll_failed: bool = False) -> tuple[str, Tone]:
    """The result of a command, as one line; `poll_failed`: its poll ended before it sent."""
    match command.state:
        case CommandState.DONE if poll_failed and command.action in _SENT_BY_POLL:
            return f"! {_with_outcome(command)}, not sent", Tone.WARN
        case CommandState.DONE if command.changed_nothing:
            return f"- {_with_outcome(command)}", Tone.PLAIN
        case CommandState.DONE:
            return f"✓ {_with_outcome(command)}", Tone.GOOD
        case CommandState.FAILED:
            return f"✗ {_with_outcome(command)}", Tone.BAD
        case CommandState.WITHDRAWN:
            return f"⊘ {named(command)}: withdrawn", Tone.DIM
        case _:
            is_canary = command.options.get("canary") and command.item_count > 1
            until = "the others follow once the canary has succeeded"
            how = until if is_canary else "running; continues in the next poll"
            return f"▸ {named(command)}: {how}", Tone.BUSY


def _with_outcome(command: Command) -> str:
    """The command and its outcome; an outcome that names the command or its workflow is enough."""
    said = command.outcome or ""
    if command.action == Action.REPLAY and "queued for replay" in said:
        return said
    if command.action == Action.SYNC and _ANSWERED.match(said):
        return f"{LABELS[command.action]}: {said}"
    subject = f"{command.workflows[0]} is " if len(command.workflows) == 1 else ""
    return said if subject and said.startswith(subject) else f"{named(command)}: {said}"
