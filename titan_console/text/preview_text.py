"""The lines of a command's preview, and when its number must be typed. Pure."""

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from core.text import pluralize
from state.model.timestamps import from_text
from state.operations.commands import Action
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.command_labels import counted, noun
from titan_console.text.format import Tone
from titan_console.text.safe_text import clean

if TYPE_CHECKING:
    from core.commands.preview import Preview

# Above these limits the number of rows must be typed.
MANY_ROWS = 100
MUCH_NANO = 1_000_000_000
# The API's own limit for a batch.
_BATCH_TIME = timedelta(hours=24)


class Fact(Struct, frozen=True):
    """One line of the preview."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN


def facts(preview: "Preview", label: str, now: datetime) -> list[Fact]:
    """The lines of the preview; `label` names what the command applies to."""
    return [
        *_target(preview, label),
        Fact("cost", _money(preview)),
        *((Fact("cache", cost_by_cache(preview)),) if preview.cache else ()),
        *_due(preview.action, preview.deadlines, now),
        *(
            Fact("skipped", ledger_messages.in_details(sentence), Tone.WARN)
            for sentence in preview.skipped_sentences()
        ),
        *(
            Fact("note", ledger_messages.in_details(note), _tone_of_notes(preview))
            for note in preview.notes
        ),
    ]


def _target(preview: "Preview", label: str) -> list[Fact]:
    number = counted(preview.action, preview.count)
    if preview.action in (Action.PAUSE, Action.RESUME):
        return [Fact("target", f"{number}: {names(preview)}")]
    later = noun(preview.action, 2)
    many = f"{number}: {label} ({later} added later are not included)"
    target = label if preview.count == 1 else many
    return [Fact("target", target), *_samples(preview, label)]


def _tone_of_notes(preview: "Preview") -> Tone:
    """Red where a synchronous run stops other requests, amber where it may pay twice."""
    if preview.stopped_requests:
        return Tone.BAD
    return Tone.PLAIN if preview.duplicate_cost_nano == 0 else Tone.WARN


def _samples(preview: "Preview", label: str) -> list[Fact]:
    """The first names, unless the label is the only one, or the command line has them."""
    if preview.count == 1 and preview.samples[0] in label:
        return []
    named = {word.rpartition("/")[2] for word in shlex.split(preview.cli)}
    if set(preview.samples) <= named:
        return []
    return [Fact(samples_label(preview), names(preview), Tone.DIM)]


def command_line(preview: "Preview") -> tuple[str, str]:
    """The command line that is copied, and why there is none."""
    many = noun(preview.action, 2)
    if not preview.cli:
        return "", f"none: no short one is known to select exactly these {many}"
    if clean(preview.cli) != preview.cli:
        return "", f"none: a name of these {many} has characters that cannot be shown"
    return preview.cli, ""


def samples_label(preview: "Preview") -> str:
    """`example`, unless the samples are all that the command applies to."""
    if preview.count > len(preview.samples):
        return "example"
    return noun(preview.action, preview.count)


def names(preview: "Preview") -> str:
    """The first names, and how many more there are."""
    more = preview.count - len(preview.samples)
    return ", ".join(preview.samples) + (f" … {more:,} more" if more > 0 else "")


def must_type(preview: "Preview") -> str:
    """The reason why the number of rows must be typed; empty if `y` is enough."""
    if preview.count > MANY_ROWS:
        return f"more than {counted(preview.action, MANY_ROWS)}"
    if preview.stopped_requests:
        return f"{pluralize(preview.stopped_requests, 'other request')} stopped"
    spend = preview.sync_cost_nano if preview.action == Action.SYNC else preview.batch_cost_nano
    if spend is None:
        return "the cost has no upper bound"
    if spend > MUCH_NANO:
        return f"more than {fmt.money(MUCH_NANO)}"
    return ""


def batch_cost(preview: "Preview") -> str:
    """The expected and the maximum cost in a batch, as far as they are known."""
    return _cost(preview.batch_cost_nano, preview.expected_batch_nano)


def sync_cost(preview: "Preview") -> str:
    """The same for a synchronous run."""
    return _cost(preview.sync_cost_nano, preview.expected_sync_nano)


def _cost(most: int | None, expected: int | None) -> str:
    if expected is None:
        return fmt.money(most) if most is None else _limit(most)
    limit = "" if most is None else f", {_limit(most)}"
    shown = fmt.money(expected)
    return f"{shown if '<' in shown else f'≈ {shown}'}{limit}"


def _limit(nano: int) -> str:
    """As in `at most $0.0001`, also where it is less."""
    return f"at most {fmt.money(nano).removeprefix('<')}"


def _money(preview: "Preview") -> str:
    batch, sync = batch_cost(preview), sync_cost(preview)
    match preview.action:
        case _ if preview.batch_cost_nano == 0 and preview.sync_cost_nano == 0:
            return without_cost(preview)
        case Action.SYNC:
            return f"synchronously {sync} · in a batch {batch}"
        case Action.REPLAY | Action.RESUME:
            return f"in a batch {batch} · synchronously {sync}"
        case _:
            return without_cost(preview)


def without_cost(preview: "Preview") -> str:
    """The cost of a command that runs nothing."""
    if preview.action == Action.CANCEL:
        return "none; requests already answered are still billed"
    return "none"


def cost_by_cache(preview: "Preview") -> str:
    """The three maximum costs in batches of requests that are primed; empty for others."""
    found = preview.cache
    if found is None:
        return ""
    return (
        f"in a batch at most: {fmt.money(found.uncached_nano)} without a cache,"
        f" {fmt.money(found.cold_nano)} if each request writes it,"
        f" {fmt.money(found.primed_nano)} if one writes it and the others read it"
    )


def _due(action: Action, deadlines: Sequence[str], now: datetime) -> list[Fact]:
    if not deadlines:
        return []
    left = from_text(deadlines[0]) - now
    first = "the earliest " if len(deadlines) > 1 else ""
    if left <= timedelta(0):
        return [Fact("deadline", f"{first}passed {fmt.span(-left)} ago", Tone.BAD)]
    tone = Tone.WARN if left < fmt.SOON else Tone.PLAIN
    return [Fact("deadline", f"{first}in {fmt.span(left)}. {_effect(action, left)}", tone)]


def _effect(action: Action, left: timedelta) -> str:
    """The effect of the command on the deadline."""
    guard = (
        "From 2h before it (earlier if batches usually take longer), requests without an answer"
        " run synchronously at full price."
    )
    match action:
        case Action.REPLAY | Action.RESUME if left < fmt.SOON:
            return (
                "Too soon for a batch: requests without an answer run synchronously at full price."
            )
        case Action.REPLAY | Action.RESUME if left > _BATCH_TIME + fmt.SOON:
            return "Met even if the batch takes 24h."
        case Action.SYNC:
            return "Starts now, or after the batch has ended if it must be canceled."
        case Action.CANCEL:
            return "Requests that end as canceled have no answer until they are replayed."
        case Action.ACKNOWLEDGE:
            return "Errored requests have no answer; answers to review are accepted."
        case _:
            return guard
