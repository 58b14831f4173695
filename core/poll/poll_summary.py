"""What one poll did, and what it left for the next."""

from typing import Any

import msgspec
from msgspec import Struct, field

from core.batches.poll_time_limit import LeftWork


class PollSummary(Struct, kw_only=True):
    """What one poll did.

    `ran` is False where another poll was running; `busy` says which one. `sent`, `ended` and
    `collected` count batches, `open` those that are still open. `results` counts new results,
    `failed` the requests that failed in the collected batches, `canceled` those of them that were
    canceled. `commands` holds a line for each
    command that finished, `delivered` the names of the files, `problems` what needs attention.
    `elsewhere` says what other hosts are to deliver. Where another host polls, `ran` is False, and
    this one has delivered what is its own.
    `left` is what the time limit left for the next poll; None where it was not reached.
    `error` is why the poll failed; None where it ran through, with problems or without.
    """

    ran: bool = True
    busy: str = ""
    sent: int = 0
    open: int = 0
    ended: int = 0
    collected: int = 0
    results: int = 0
    failed: int = 0
    canceled: int = 0
    commands: list[str] = field(default_factory=list[str])
    delivered: list[str] = field(default_factory=list[str])
    elsewhere: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    left: LeftWork | None = None
    #: Ids of the collected batches, for the poll itself.
    collected_ids: list[int] = field(default_factory=list[int])
    error: str | None = None

    def as_row(self) -> dict[str, Any]:
        """For the ledger."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        del row["collected_ids"]
        return row

    def as_json(self) -> dict[str, object]:
        """For `--json`; `orders` and `troubles` are the old keys, kept for one release."""
        found: dict[str, object] = {
            **self.as_row(),
            "left": self.left.lines() if self.left else [],
            "orders": self.commands,
            "troubles": self.problems,
        }
        # It is one of the problems, too.
        del found["error"]
        return found
