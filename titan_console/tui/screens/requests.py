"""The Requests screen: every request of the ledger, newest first."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from state.db.reader import Source
from state.model.records import RequestStatus
from state.operations.commands import Action
from state.queries import request_list
from state.queries.request_list import Query, RequestRow, SortOrder
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text import format as fmt
from titan_console.text import links
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages import targets
from titan_console.tui.pages.list_page import Order, Sort, SplitPage
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.virtual_table import VirtualTable

COLUMNS = (
    Column("status", "Status", 14, 0),
    Column("custom_id", "Request", 20, 1, grow=4, widest=64, keeps_end=True, is_name=True),
    Column("tag", "Tag", 16, 4, grow=2, widest=32, keeps_end=True),
    Column("attempts", "Attempts", 8, 6, right=True),
    Column("model", "Model", 17, 7, grow=1, widest=26),
    Column("tokens", "Tokens in/out", 13, 8, right=True, usual=("0/0",)),
    Column("cost", "Cost", 9, 5, right=True, usual=("$0.00",)),
    Column("age", "Age", 7, 3, right=True),
    Column("remark", "Detail", 14, 2, grow=4, usual=("end_turn",)),
)


class AllRequests:
    """All requests."""

    def keys(self, source: Source) -> Sequence[int]:
        """Newest first."""
        return request_list.newest_first(source)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, RequestRow]:
        """The records with these keys."""
        return request_list.rows(source, keys)

    def row(self, key: int, record: RequestRow, now: datetime) -> Row:
        """The row of one record."""
        label = fmt.request_status(record.status)
        remark = _remark(record)
        return Row(
            key=key,
            cells={
                "status": Cell(str(label), label.tone),
                "custom_id": Cell(record.custom_id),
                "tag": Cell(record.tag, Tone.DIM),
                "attempts": Cell(fmt.count(record.attempts)),
                "model": Cell(record.model, Tone.DIM),
                "tokens": Cell(f"{record.input_tokens:,}/{record.output_tokens:,}", Tone.DIM),
                "cost": Cell(
                    fmt.NOTHING if record.outcome is None else fmt.money(record.cost_nano)
                ),
                "age": Cell(fmt.since(record.created_ts, now)),
                "remark": Cell(remark, Tone.DIM),
            },
            about="  ·  ".join(
                part
                for part in (f"{record.tag} / {record.custom_id}", record.batch_key, remark)
                if part
            ),
            link=links.to_request(record.tag, record.custom_id),
        )


def _remark(record: RequestRow) -> str:
    """The error of a request in flight or queued is that of an earlier attempt."""
    if record.status in (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT):
        return ""
    return record.error_message or record.error_type or record.invalid or record.stop_reason or ""


class FoundRequests(AllRequests):
    """The requests that match a query."""

    def __init__(self, query: Query, now: Callable[[], datetime]) -> None:
        """`now` gives the time from which ages are counted."""
        self.query = query
        self._now = now

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids in the sort order."""
        return request_list.ids(source, self.query, self._now())


class RequestListPage(SplitPage):
    """A page with one list of requests, of any length."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", id="list.follow"),
    ]
    VOCABULARY = Vocabulary(request_list.FIELDS, request_list.STATES)
    SORTS = (
        Sort("n", SortOrder.NEWEST, "newest first", "age"),
        Sort("a", SortOrder.AGE, "oldest first"),
        Sort("t", SortOrder.TAG, "tag", "tag"),
        Sort("s", SortOrder.STATUS, "status", "status"),
        Sort("c", SortOrder.COST, "highest cost first", "cost"),
        Sort("k", SortOrder.TOKENS, "most tokens first", "tokens"),
        Sort("r", SortOrder.ATTEMPTS, "most attempts first", "attempts"),
    )

    def __init__(self, state: ConsoleState, *, table_id: str, filter_text: str = "") -> None:
        """`filter_text` is the initial filter."""
        super().__init__(state)
        self.filter = self.filter_line.read(filter_text)
        self.filter_text = self.own_filter = filter_text
        self.table = VirtualTable(COLUMNS, self.listing(), state.folder, state.clock, id=table_id)

    def listing(self) -> FoundRequests:
        """The matching requests in the sort order."""
        return FoundRequests(self.query_now(), self.state.clock.now)

    def query_now(self) -> Query:
        """The filter and the sort as a query."""
        return Query(self.filter.terms, SortOrder(self.sort.name), self.is_inverted)

    def lists(self) -> ComposeResult:
        """The list."""
        yield self.table

    def on_mount(self) -> None:
        """Focus the list."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Redraw ages; the list refreshes itself."""
        del now
        self.table.tick()
        self.show_problem(self.table.problem)

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        super().ledger_changed()
        self.table.ledger_changed()

    def narrow(self) -> None:
        """Query what matches the filter."""
        if self.order != Order(self.SORTS[0]):
            self.table.is_following = False
        self.table.list(self.listing())

    def matches(self) -> int | None:
        """The number of matching requests."""
        return self.table.row_count if self.table.is_loaded else None

    def main_table(self) -> VirtualTable[RequestRow]:
        """The list."""
        return self.table

    def action_follow(self) -> None:
        """Follow new requests, or stop that."""
        self.follow_newest(self.table)

    def badges(self) -> tuple[Part, ...]:
        """Also the number of new requests."""
        return (*self.table.follow_badge(), *super().badges())

    def target(self, action: Action) -> Target | None:
        """The selected requests, else the one under the cursor."""
        record = self.table.record_under_cursor()
        if record is None:
            return targets.requests(self.table, "", (), action)
        fitting = targets.actions_of_request(record)
        return targets.requests(self.table, record.custom_id, fitting, action)

    def workflows(self) -> Collection[str]:
        """That of the request under the cursor."""
        record = None if self.table.selection else self.table.record_under_cursor()
        return (record.workflow,) if record else ()


class RequestsScreen(RequestListPage):
    """All requests."""

    NAME = "Requests"

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state, table_id="requests-table")
