"""The requests of one group of errors."""

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.reporting import error_groups
from core.reporting.error_groups import GroupKey
from state.db.reader import Source
from state.model.filter_terms import Field, Words
from state.queries import request_query
from titan_console.session.console_state import View
from titan_console.tui.screens.requests import FoundRequests, RequestListPage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from state.queries.request_query import Query


class GroupRequests(FoundRequests):
    """The listing of a group's requests that a query finds."""

    def __init__(self, key: GroupKey, query: "Query", now: "Callable[[], datetime]") -> None:
        """`now` is what ages are counted from."""
        super().__init__(query, now)
        self._group = key

    def keys(self, source: Source) -> Sequence[int]:
        """In the order of the query."""
        now = self._now()
        members = frozenset(error_groups.ids_of(source, self._group, self.query.terms, now))
        # Only so that an index is used; the members say the rest.
        state = Words(Field.STATE, ("review" if self._group.is_review else "failed",))
        query = replace(self.query, terms=(*self.query.terms, state))
        return array("q", (id_ for id_ in request_query.ids(source, query, now) if id_ in members))


class GroupPage(RequestListPage):
    """Exactly those requests, as long as they belong to the group."""

    def __init__(self, view: View, key: GroupKey, filter_text: str) -> None:
        """`filter_text` is what the groups were narrowed to."""
        self._group = key
        super().__init__(view, table_id="group-table", filter_text=filter_text)

    def listing(self) -> FoundRequests:
        """The group's requests under the filter, in the order of the sort."""
        return GroupRequests(self._group, self.query_now(), self.view.clock.now)

    def crumb(self) -> str:
        """The kind of error."""
        return self._group.kind
