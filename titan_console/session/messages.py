"""What the feed tells the app."""

from datetime import timedelta

from msgspec import Struct
from textual.message import Message

from state.queries.console_snapshot import Snapshot
from titan_console.session.poll_runner import PollResult


class LedgerSeen(Message):
    """The ledger has changed, and this is how it stands."""

    def __init__(self, snapshot: Snapshot, lag: timedelta | None) -> None:
        """`lag` is how long ago the newest event was written, where that is news."""
        super().__init__()
        self.snapshot = snapshot
        self.lag = lag

    def can_replace(self, message: Message) -> bool:
        """Only the latest counts."""
        return isinstance(message, LedgerSeen)


class LedgerProblem(Struct, frozen=True):
    """Why the ledger cannot be shown now, in one line; `missing` when there is none to show."""

    reason: str
    missing: bool = False


class PollEnded(Message):
    """A poll that this console asked for has ended."""

    def __init__(self, end: PollResult) -> None:
        """`end` is how."""
        super().__init__()
        self.end = end


class LedgerLost(Message):
    """The ledger cannot be read, or there is none; the feed goes on looking."""

    def __init__(self, trouble: LedgerProblem) -> None:
        """`trouble` says what is the matter."""
        super().__init__()
        self.trouble = trouble
