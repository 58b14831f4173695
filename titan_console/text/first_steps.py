"""The first-minute guide: what is set up, and the command that does what is not. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from core.text import pluralize
from titan_console.text import format as fmt
from titan_console.text.access import Access
from titan_console.text.safe_text import clean, pad

_DONE, _OPEN = "✓", "◦"
_NAME_WIDTH = 12
_WIDEST = 76


class Facts(Struct, frozen=True, kw_only=True):
    """`access` is None where it is not known; `last_poll` where none ran, `jobs` without a file.

    `has_schedule`: polls run again and again. `scheduler` is the usual one of this machine.
    """

    ledger: str
    has_ledger: bool
    access: Access | None
    last_poll: timedelta | None
    has_schedule: bool = False
    scheduler: str = "cron"
    jobs: int | None
    batches: int


class Step(Struct, frozen=True):
    """One line of the guide: what is there, or the command to run."""

    name: str
    is_done: bool
    text: str


def steps(facts: Facts) -> list[Step]:
    """In the order in which they are done."""
    found = [
        Step(
            "ledger",
            facts.has_ledger,
            facts.ledger if facts.has_ledger else f"the first submit creates {facts.ledger}",
        ),
        Step(
            "poller",
            facts.has_schedule,
            _poller(facts),
        ),
        Step(
            "jobs",
            bool(facts.jobs),
            pluralize(facts.jobs, "job") + " in titan.toml"
            if facts.jobs
            else "optional: titan-console jobs init",
        ),
        Step(
            "first batch",
            bool(facts.batches),
            pluralize(facts.batches, "batch", "batches")
            if facts.batches
            else "titan-console submit requests.jsonl",
        ),
    ]
    if facts.access is not None:
        credential = facts.access.credential
        key = f"{credential} is set" if credential else "export ANTHROPIC_API_KEY=… and restart"
        found.insert(1, Step("API key", bool(credential), key))
    return found


def _poller(facts: Facts) -> str:
    """One poll by hand is no schedule."""
    command = f"titan-console schedule --install {facts.scheduler}"
    if facts.last_poll is None:
        return command
    last = f"last poll {fmt.span(facts.last_poll)} ago"
    return last if facts.has_schedule else f"{command} ({last})"


def guide(found: Sequence[Step], width: int) -> str:
    """The steps as a block of text with lines of one width, so that it can be centred."""
    room = min(_WIDEST, max(20, width - 4))
    lines = [
        "First steps" if found[0].is_done else "No ledger yet",
        "",
        *(
            f"{_DONE if step.is_done else _OPEN} {step.name:<{_NAME_WIDTH}}{step.text}"
            for step in found
        ),
        "",
        "requests.jsonl has one request a line: titan-console submit --help",
        "A demo that needs no key: titan-console demo",
        "This screen updates by itself.",
    ]
    cut = [clean(line, room) for line in lines]
    widest = max(map(len, cut))
    return "\n".join(pad(line, widest) for line in cut)
