"""What the verbs are called in the console, and their keys. Pure."""

from core import text
from state.operations.commands import Command, Verb

LABELS = {
    Verb.REPLAY: "Replay",
    Verb.CANCEL: "Cancel",
    Verb.SYNC: "Force sync",
    Verb.ACKNOWLEDGE: "Acknowledge",
    Verb.PAUSE: "Pause",
    Verb.RESUME: "Resume",
}
# In the order of the buttons; a pause of what is paused is a resume.
KEYS = {
    Verb.REPLAY: "R",
    Verb.CANCEL: "C",
    Verb.SYNC: "F",
    Verb.ACKNOWLEDGE: "X",
    Verb.PAUSE: "P",
}
_NOUNS = {
    Verb.CANCEL: ("batch", "batches"),
    Verb.PAUSE: ("workflow", "workflows"),
    Verb.RESUME: ("workflow", "workflows"),
}


def counted(verb: Verb, count: int) -> str:
    """As in `3 requests`."""
    one, many = _NOUNS.get(verb, ("request", "requests"))
    return text.counted(count, one, many)


def phrase(verb: Verb, count: int) -> str:
    """As in `Replay 3 requests`."""
    return f"{LABELS[verb]} {counted(verb, count)}"


def named(command: Command) -> str:
    """A command in words: a single workflow by its name, the rest by their number."""
    if len(command.workflows) == 1:
        return f"{LABELS[command.verb]} {command.workflows[0]}"
    return phrase(command.verb, command.item_count)
