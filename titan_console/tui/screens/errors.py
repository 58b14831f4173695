"""Errors grouped by workflow, kind and message; Enter opens the requests of a group."""

from array import array
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.commands.waiting_reason import waits_for
from core.reporting import error_groups, error_reports
from core.reporting.command_report import as_report
from core.reporting.error_groups import ErrorGroup, GroupKey
from state.db.reader import Source
from state.model.filter_terms import Field, Term, ValuesTerm
from state.model.timestamps import to_text
from state.operations import selection
from state.operations.commands import Action
from state.queries import error_list, replays, request_list
from state.queries.error_list import FailureGroups
from state.queries.replays import Replay
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.safe_text import clean
from titan_console.tui.pages import targets
from titan_console.tui.pages.list_page import FilteredPage, Sort
from titan_console.tui.pages.page import Parts, Records
from titan_console.tui.pages.targets import ACTIONS_OF_ERRORS
from titan_console.tui.screens import error_rows, replay_rows
from titan_console.tui.screens.error_rows import GroupOrder
from titan_console.tui.screens.replay_page import ReplayPage
from titan_console.tui.screens.requests import FoundRequests, RequestListPage
from titan_console.tui.widgets.lines import Line
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.row_drawing import Row
from titan_console.tui.widgets.section import Section

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


_MOST_COPIED = 1000
_ACTIONS_OF_REPLAY = frozenset((Action.REPLAY, Action.SYNC, Action.ACKNOWLEDGE))
_REPLAYS_SHOWN, _REPLAYS_SHOWN_FOR = 10, timedelta(days=1)
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
        rows = (self.row_of(key) for key in self._groups)
        self.measure(row for row in rows if row is not None)
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
    """The groups of errored requests and of answers to review; below, what replays came to."""

    NAME = "Errors"
    CSS = """
    ErrorsScreen {
        #errors-summary { margin: 0 0 1 0; }
        #replays { height: auto; max-height: 40%; }
        #replays-table { height: auto; max-height: 100%; }
        #replays.-empty { display: none; }
    }
    ErrorsScreen.-low #errors-summary { margin: 0; }
    ErrorsScreen.-flat {
        #errors-summary { margin: 0; }
        #replays { height: 1; }
        #replays:focus-within { height: 1fr; max-height: 100%; }
        #replays-table { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]
    VOCABULARY = Vocabulary(request_list.FIELDS, request_list.STATES)
    SORTS = (
        Sort("w", GroupOrder.NESTED, "workflow, then kind", "workflow"),
        Sort("c", GroupOrder.COUNT, "highest count first", "count"),
        Sort("l", GroupOrder.LAST, "latest seen first", "last"),
        Sort("t", GroupOrder.KIND, "type of error", "kind"),
    )

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self.table = GroupTable(state, id="groups-table")
        self._summary = Line(id="errors-summary")
        self._found: _Found | None = None
        self._is_asking = True
        self._answers_of_groups = self.add_query(self._question(), self._take)
        self._replays = Section("No replays.", replay_rows.COLUMNS, id="replays")
        self._replayed: Sequence[Replay] = ()
        self._is_focus_moved = False
        self.add_query(self._read_replays, self._take_replays)

    def content(self) -> ComposeResult:
        """The summary, the groups, and the latest replays."""
        with Vertical(classes="content"):
            yield self._summary
            yield self.table
            yield self._replays
        yield self.filter_line

    def on_mount(self) -> None:
        """Focus the list."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Redraw, so that ages are current."""
        self.table.tick()
        self._replays.show(replay_rows.rows(self._replayed, now), replay_rows.title(self._replayed))
        self._focus_first()
        found = self._found
        if found is None:
            self._summary.left = (Part("Grouping…", Tone.DIM),)
        elif not found.counts.total:
            calm = "No match." if self.filter_text else "No errors."
            self._summary.left = (Part(calm, Tone.DIM),)
        else:
            self._summary.left = (Part(error_rows.summary(found.counts, found.groups)),)

    def _focus_first(self) -> None:
        """Where there is no group, the replays have the focus, until there is one again."""
        listed, other = self.table, self._replays.table
        if self._found is None or self.filter_line.is_open:
            return
        if not listed.row_count and other.row_count and self.focused is listed:
            self._is_focus_moved = True
            other.focus()
        elif self._is_focus_moved and listed.row_count and self.focused is other:
            self._is_focus_moved = False
            listed.focus()

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
        if message.table is self._replays.table:
            replay = self._replay(message.row.key)
            if replay is not None:
                self.app.push_screen(ReplayPage(self.state, replay.command))  # pyright: ignore[reportUnknownMemberType]
            return
        group = self.table.group_of(message.row.key)
        if group is not None:
            page = GroupPage(self.state, group.key, self.filter_text)
            self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]

    def target(self, action: Action) -> Target | None:
        """All requests of the selected groups, else of the one under the cursor.

        Of a replay, those that have errored again, or were not replayed.
        """
        if self.list_in_use() is self._replays.table:
            return self._target_of_replay(action)
        groups = [self.table.group_of(key) for key in self.table.target_keys()]
        known = [group for group in groups if group is not None]
        if not known or action not in _actions_of(known):
            return None
        label = _named(known)
        keys, terms, now = [group.key for group in known], self.filter.terms, self.state.now()
        return targets.found_requests(lambda source: _ids_of_all(source, keys, terms, now), label)

    def commands(self) -> Sequence[Action]:
        """Requests that have ended cannot be canceled."""
        return [action for action in super().commands() if action != Action.CANCEL]

    def workflows(self) -> Collection[str]:
        """Those of the selected groups, else of the one under the cursor."""
        groups = map(self.table.group_of, self.table.target_keys())
        return {group.key.workflow for group in groups if group is not None}

    def _target_of_replay(self, action: Action) -> Target | None:
        replay = self._replay(self._replays.table.current_key())
        if replay is None or action not in _ACTIONS_OF_REPLAY:
            return None
        if not (replay.failed or replay.not_replayed):
            return None
        number = replay.command.id
        workflow = replay.workflows[0] if len(replay.workflows) == 1 else ""
        label = targets.named(workflow, f"errored of {replay.command.key}")
        return targets.found_requests(lambda source: list(replays.failed_of(source, number)), label)

    def _replay(self, key: Key | None) -> Replay | None:
        return next((one for one in self._replayed if one.command.id == key), None)

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records:
        """The groups, as `errors --groups --json` prints them; replays as `commands --json`."""
        if table is self._replays.table:
            chosen = [replay for replay in self._replayed if replay.command.id in keys]
            return lambda source: [
                to_builtins(as_report(one.command, waits_for(source, one.command)))
                | {"by_status": dict(one.by_status)}
                for one in chosen
            ]
        found = [group for key in keys if (group := self.table.group_of(key))]
        return lambda _source: [to_builtins(error_reports.error_group(group)) for group in found]

    def parts(self, table: RecordTable) -> Parts | None:
        """The message, the custom_ids and the command line of a group."""
        if table is not self.table:
            return None
        group = self.table.group_of(table.current_key())
        if group is None:
            return None
        terms, now = self.filter.terms, self.state.now()

        def read(source: Source) -> dict[str, str]:
            ids = error_groups.ids_of(source, group.key, terms, now)
            rows = request_list.rows(source, list(ids[:_MOST_COPIED])).values()
            names = [f"{row.tag}/{row.custom_id}" for row in rows]
            return {
                "error": group.sample or group.key.fingerprint,
                "fingerprint": group.key.fingerprint,
                "requests": " ".join(names),
                "tags": " ".join(group.tags),
                "command line": _replay_line(source, ids),
            }

        return read

    def _question(self) -> "Callable[[Source], _Found]":
        terms, now = self.filter.terms, self.state.clock.now

        def read(source: Source) -> _Found:
            counts = error_list.grouped(source, terms, now())
            return _Found(counts, error_groups.group(counts.groups))

        return read

    def _take(self, found: _Found) -> None:
        if self._is_asking:
            self.table.measure_again()
        self._found, self._is_asking = found, False
        self._show_groups(found.groups)

    def _read_replays(self, source: Source) -> Sequence[Replay]:
        since = to_text(self.state.now() - _REPLAYS_SHOWN_FOR)
        return replays.latest(source, since_ts=since, limit=_REPLAYS_SHOWN)

    def _take_replays(self, found: Sequence[Replay]) -> None:
        self._replayed = found

    def _show_groups(self, groups: Sequence[ErrorGroup]) -> None:
        order = GroupOrder(self.sort.name)
        self.table.show_groups(
            error_rows.arranged(groups, order, is_inverted=self.is_inverted),
            is_nested=order == GroupOrder.NESTED and not self.is_inverted,
        )


def _replay_line(source: Source, ids: Sequence[int]) -> str:
    """The command line that replays exactly these requests; empty where there is none."""
    from core.commands import equivalent_filter  # noqa: PLC0415 - only for a copy
    from core.commands.command_request import CommandRequest, command_line  # noqa: PLC0415 - as above

    wanted = equivalent_filter.of_requests(
        source, ids, lambda one: selection.request_ids(source, one)
    )
    if wanted is None:
        return ""
    line = command_line(CommandRequest(action=Action.REPLAY, wanted=wanted), asks=True)
    return line if clean(line) == line else ""


def _actions_of(groups: Sequence[ErrorGroup]) -> frozenset[Action]:
    return _ACTIONS_OF_ANSWERS if all(g.key.is_review for g in groups) else ACTIONS_OF_ERRORS


def _named(groups: Sequence[ErrorGroup]) -> str:
    if len(groups) > 1:
        return f"{len(groups):,} groups"
    return targets.named(groups[0].key.workflow, groups[0].key.kind)


def _ids_of_all(
    source: Source, keys: Sequence[GroupKey], terms: Sequence[Term], now: datetime
) -> Sequence[int]:
    found = array("q")
    for key in keys:
        found.extend(error_groups.ids_of(source, key, terms, now))
    return found
