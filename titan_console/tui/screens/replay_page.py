"""The requests of one replay, with what became of each."""

from collections.abc import Callable, Sequence
from datetime import datetime

from state.db.reader import Source
from state.operations import commands
from state.operations.commands import Command
from state.queries import request_list
from state.queries.request_list import Query
from titan_console.session.console_state import ConsoleState
from titan_console.tui.screens.requests import FoundRequests, RequestListPage


class ReplayedRequests(FoundRequests):
    """Those that match a query."""

    def __init__(self, command: Command, query: Query, now: Callable[[], datetime]) -> None:
        """`now` gives the time from which ages are counted."""
        super().__init__(query, now)
        self._command = command

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids in the sort order."""
        replayed = commands.items(source, self._command)
        return request_list.ids(source, self.query, self._now(), among=replayed)


class ReplayPage(RequestListPage):
    """Opened from the Errors screen."""

    def __init__(self, state: ConsoleState, command: Command) -> None:
        """`command` is the replay."""
        self._command = command
        super().__init__(state, table_id="replay-table")

    def listing(self) -> FoundRequests:
        """The matching requests in the sort order."""
        return ReplayedRequests(self._command, self.query_now(), self.state.clock.now)

    def breadcrumb(self) -> str:
        """The key of the replay."""
        return f"replay {self._command.key}"
