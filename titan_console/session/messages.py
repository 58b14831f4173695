"""Textual messages from the ledger watcher and the poll helper to the app."""

from datetime import timedelta

from msgspec import Struct
from textual.message import Message

from state.queries.console_snapshot import Snapshot
from titan_console.session.poll_helper import PollResult


class LedgerChanged(Message):
    """The ledger has changed; `snapshot` is its new state."""

    def __init__(self, snapshot: Snapshot, lag: timedelta | None) -> None:
        """`lag` is the age of the newest event when it was read; None where there is no new one."""
        super().__init__()
        self.snapshot = snapshot
        self.lag = lag

    def can_replace(self, message: Message) -> bool:
        """Only the latest counts."""
        return isinstance(message, LedgerChanged)


class LedgerProblem(Struct, frozen=True):
    """Why the ledger cannot be read, in one line; `missing` where the file does not exist.

    `code` is that of the error; None where it has none.
    """

    reason: str
    code: str | None = None
    missing: bool = False


class LedgerLost(Message):
    """The ledger cannot be read, or does not exist; the watcher retries."""

    def __init__(self, problem: LedgerProblem) -> None:
        """`problem` is why."""
        super().__init__()
        self.problem = problem


class PollEnded(Message):
    """A poll that this console started has ended."""

    def __init__(self, result: PollResult) -> None:
        """`result` is how it ended."""
        super().__init__()
        self.result = result
