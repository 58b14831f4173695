"""Errors grouped by workflow, kind and message; Enter opens the requests of a group."""

from array import array
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Vertical

from core.reporting import error_groups
from core.reporting.error_groups import ErrorGroup, GroupKey
from state.db.reader import Source
from state.model.filter_terms import Field, Term, ValuesTerm
from state.operations.commands import Action
from state.queries import error_list, request_list
from state.queries.error_list import FailureGroups
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages import targets
from titan_console.tui.pages.list_page import FilteredPage, Sort
from titan_console.tui.pages.targets import ACTIONS_OF_ERRORS
from titan_console.tui.screens import error_rows
from titan_console.tui.screens.error_rows import GroupOrder
from titan_console.tui.screens.requests import FoundRequests, RequestListPage
from titan_console.tui.widgets.lines import Line
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.row_drawing import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.queries.request_list import Query


class GroupRequests(FoundRequests):
    """The requests of a group that match a query."""

    def __init__(self, key: GroupKey, query: "Query", now: "Callable[[], datetime]") -> None:
        """`now` gives the time from which ages are counted."""
        super().__init__(query, now)
        self._group = key

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids in the sort order."""
        now = self._now()
        members = frozenset(error_groups.ids_of(source, self._group, self.query.terms, now))
        # Only so that an index is used; membership decides.
        state = ValuesTerm(Field.STATUS, ("review" if self._group.is_review else "failed",))
        query = replace(self.query, terms=(*self.query.terms, state))
        return array("q", (id_ for id_ in request_list.ids(source, query, now) if id_ in members))


class GroupPage(RequestListPage):
    """The requests of a group, as long as they belong to it."""

    def __init__(self, state: ConsoleState, key: GroupKey, filter_text: str) -> None:
        """`filter_text` is the filter of the groups."""
        self._group = key
        super().__init__(state, table_id="group-table", filter_text=filter_text)

    def listing(self) -> FoundRequests:
        """The matching requests of the group in the sort order."""
        return GroupRequests(self._group, self.query_now(), self.state.clock.now)

    def breadcrumb(self) -> str:
        """The kind of error."""
        return self._group.kind


_ACTIONS_OF_ANSWERS = frozenset((Action.REPLAY, Action.ACKNOWLEDGE, Action.PAUSE))


class _Found(Struct, frozen=True):
    counts: FailureGroups
    groups: Sequence[ErrorGroup]


class GroupTable(RecordTable):
    """Lists groups; rows are made when they are drawn."""

    def __init__(self, state: ConsoleState, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """`state` tells the time."""
        super().__init__(error_rows.COLUMNS, id=id)
        self._state = state
        self._groups: dict[Key, ErrorGroup] = {}
        self._above: dict[Key, ErrorGroup] = {}

    def show_groups(self, groups: Sequence[ErrorGroup], *, is_nested: bool) -> None:
        """Show these groups; `is_nested` where they are sorted by workflow."""
        self._groups = {group.key.name: group for group in groups}
        pairs = pairwise(groups) if is_nested else ()
        self._above = {group.key.name: above for above, group in pairs}
        self.show_keys(list(self._groups))

    def group_of(self, key: Key | None) -> ErrorGroup | None:
        """The group with that key."""
        return None if key is None else self._groups.get(key)

    def row_of(self, key: Key) -> Row | None:
        """The row of a group as of now."""
        group = self._groups.get(key)
        if group is None:
            return None
        return error_rows.row(group, self._state.now(), above=self._above.get(key))

    def tick(self) -> None:
        """Redraw, so that ages are current."""
        self.rows_changed()


class ErrorsScreen(FilteredPage):
    """The groups of errored requests and of answers to review."""

    NAME = "Errors"
    CSS = """
    ErrorsScreen #errors-summary { margin: 0 0 1 0; }
    ErrorsScreen.-low #errors-summary { margin: 0; }
    ErrorsScreen.-flat #errors-summary { margin: 0; }
    """
    VOCABULARY = Vocabulary(request_list.FIELDS, request_list.STATES)
    SORTS = (
        Sort("w", GroupOrder.NESTED, "workflow, then kind"),
        Sort("c", GroupOrder.COUNT, "count, most first"),
        Sort("l", GroupOrder.LAST, "last seen, latest first"),
        Sort("t", GroupOrder.KIND, "type of error"),
    )

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self.table = GroupTable(state, id="groups-table")
        self._summary = Line(id="errors-summary")
        self._found: _Found | None = None
        self._is_asking = True
        self._answers_of_groups = self.add_query(self._question(), self._take)

    def content(self) -> ComposeResult:
        """The summary and the groups."""
        with Vertical(classes="content"):
            yield self._summary
            yield self.table
        yield self.filter_line

    def on_mount(self) -> None:
        """Focus the list."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Redraw, so that ages are current."""
        del now
        self.table.tick()
        found = self._found
        if found is None:
            self._summary.left = (Part("Grouping…", Tone.DIM),)
        elif not found.counts.total:
            calm = "No match." if self.filter_text else "No errors."
            self._summary.left = (Part(calm, Tone.DIM),)
        else:
            self._summary.left = (Part(error_rows.summary(found.counts, found.groups)),)

    def narrow(self) -> None:
        """Query what matches the filter."""
        self._is_asking = True
        self._answers_of_groups.ask(self._question())

    def reorder(self) -> None:
        """Sort the loaded groups."""
        if self._found is not None:
            self._show_groups(self._found.groups)

    def matches(self) -> int | None:
        """The number of matching requests."""
        if self._found is None or self._is_asking:
            return None
        return self._found.counts.total

    def main_table(self) -> RecordTable:
        """The groups."""
        return self.table

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the requests of the group."""
        message.stop()
        group = self.table.group_of(message.row.key)
        if group is not None:
            page = GroupPage(self.state, group.key, self.filter_text)
            self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]

    def target(self, action: Action) -> Target | None:
        """All requests of the selected groups, else of the one under the cursor."""
        groups = [self.table.group_of(key) for key in self.table.target_keys()]
        known = [group for group in groups if group is not None]
        if not known or action not in _actions_of(known):
            return None
        label = _named(known)
        keys, terms, now = [group.key for group in known], self.filter.terms, self.state.now()
        return targets.found_requests(
            lambda source: _ids_of_all(source, keys, terms, now), label, is_all=True
        )

    def _question(self) -> "Callable[[Source], _Found]":
        terms, now = self.filter.terms, self.state.clock.now

        def read(source: Source) -> _Found:
            counts = error_list.grouped(source, terms, now())
            return _Found(counts, error_groups.group(counts.groups))

        return read

    def _take(self, found: _Found) -> None:
        self._found, self._is_asking = found, False
        self._show_groups(found.groups)

    def _show_groups(self, groups: Sequence[ErrorGroup]) -> None:
        order = GroupOrder(self.sort.name)
        self.table.show_groups(
            error_rows.arranged(groups, order, is_inverted=self.is_inverted),
            is_nested=order == GroupOrder.NESTED and not self.is_inverted,
        )


def _actions_of(groups: Sequence[ErrorGroup]) -> frozenset[Action]:
    return _ACTIONS_OF_ANSWERS if all(g.key.is_review for g in groups) else ACTIONS_OF_ERRORS


def _named(groups: Sequence[ErrorGroup]) -> str:
    return f"{len(groups):,} groups" if len(groups) > 1 else groups[0].key.kind


def _ids_of_all(
    source: Source, keys: Sequence[GroupKey], terms: Sequence[Term], now: datetime
) -> Sequence[int]:
    found = array("q")
    for key in keys:
        found.extend(error_groups.ids_of(source, key, terms, now))
    return found
