"""Savings by day, workflow and model, the projected month, and the batches behind each sum."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from msgspec import to_builtins
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config import titan_file
from core.money.pricing import PriceBook
from core.reporting import export, savings
from core.reporting.savings import Savings
from state.db.reader import Source
from state.files.folder import Folder
from state.queries import batch_detail, spending
from state.queries.batch_replays import replays_in
from state.queries.spending import MOST_LISTED, AnswerSum, BatchSum, Spending, SumFilter
from titan_console.session.console_state import ConsoleState
from titan_console.text import links
from titan_console.text.links import ToRequest
from titan_console.tui.pages.page import Records
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.screens import savings_rows as rows
from titan_console.tui.screens.request_detail import RequestDetail
from titan_console.tui.widgets.chart import Chart
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.section import Section


class SavingsBatches(QueryPage):
    """The batches of a sum; Enter opens the answers of one."""

    def __init__(self, state: ConsoleState, sum_filter: SumFilter, name: str) -> None:
        """`name` is that of the sum, for the breadcrumbs."""
        super().__init__(state)
        self._sum_filter = sum_filter
        self._sum_name = name
        self._found: list[BatchSum] | None = None
        self._replays = frozenset[int]()
        self._list = Section("No batches.", rows.BATCH_COLUMNS, id="behind")
        self._list.add_class("content")
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def breadcrumb(self) -> str:
        """The sum's name."""
        return self._sum_name

    def on_mount(self) -> None:
        """Focus the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        if self._found is not None:
            title = rows.batches_title(self._found)
            self._list.show(rows.batch_rows(self._found, self._replays, now), title)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the answers of that batch."""
        message.stop()
        page = SavingsAnswers(self.state, self._sum_filter, str(message.row.key))
        self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records:
        """The batches, as the Batches screen exports them."""
        del table
        return lambda source: export.batches(
            batch for key in keys if (batch := batch_detail.batch(source, str(key)))
        )

    def _read(self, source: Source) -> tuple[list[BatchSum], frozenset[int]]:
        found = spending.batches_in_sum(source, self._sum_filter)
        return found, replays_in(source, (one.id for one in found))

    def _take(self, found: tuple[list[BatchSum], frozenset[int]]) -> None:
        self._found, self._replays = found


class SavingsAnswers(QueryPage):
    """The answers of one batch in a sum; Enter opens the request."""

    TOOLS = QueryPage.TOOLS | {"view", "compare"}

    def __init__(self, state: ConsoleState, sum_filter: SumFilter, batch_key: str) -> None:
        """`sum_filter` selects the answers of the sum."""
        super().__init__(state)
        self._sum_filter = sum_filter
        self._key = batch_key
        self._found: list[AnswerSum] | None = None
        self._list = Section("No answers.", rows.ANSWER_COLUMNS, id="answers")
        self._list.add_class("content")
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def breadcrumb(self) -> str:
        """The batch."""
        return self._key

    def on_mount(self) -> None:
        """Focus the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        if self._found is not None:
            number = len(self._found)
            more = f", the first {MOST_LISTED:,}" if number == MOST_LISTED else ""
            title = f"{number:,} answers of {self._key}{more} · Enter explains the cost"
            self._list.show(rows.answer_rows(self._found), title)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the request at how its cost was calculated."""
        message.stop()
        destination = links.parse(message.row.link, self.state.tabs)
        if isinstance(destination, ToRequest):
            page = RequestDetail(self.state, destination, message.table, section="Cost")
            self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]

    def _read(self, source: Source) -> list[AnswerSum]:
        return spending.answers_in_sum(source, self._sum_filter, self._key)

    def _take(self, found: list[AnswerSum]) -> None:
        self._found = found


class SavingsScreen(QueryPage):
    """Metrics, a chart and groups; Enter opens the batches behind a row."""

    NAME = "Savings"
    CSS = """
    SavingsScreen {
        #money { height: 7; }
        #by-day { height: 3fr; }
        #groups { height: 4fr; }
    }
    SavingsScreen.-low { #money { height: 6; } #by-day { height: 5; } #groups { height: 1fr; } }
    SavingsScreen.-flat {
        #by-day { display: none; }
        #money, #groups { height: 1; }
        #money:focus-within, #groups:focus-within { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "by", "Group by", id="savings.by"),
        Binding("m", "period", "This month or 30 days", show=False, id="savings.period"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._by = savings.BY[0]
        self._is_month = False
        self._found: Savings | None = None
        self._in_month: Mapping[str, Sequence[Spending]] = {}
        self._money = Section("Calculating…", rows.FIGURE_COLUMNS, id="money")
        self._chart = Chart(id="by-day")
        self._groups = Section(
            "No results collected in these 30 days.", rows.group_columns(self._by), id="groups"
        )
        self.add_query(self._read, self._take)

    def content(self) -> ComposeResult:
        """Metrics, the chart, and the groups."""
        with Vertical(classes="content"):
            yield self._money
            yield self._chart
            yield self._groups

    def on_mount(self) -> None:
        """Focus the metrics."""
        self._money.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the lists from the last result."""
        del now
        if self._found is None:
            return
        self._money.show(rows.figure_rows(self._found), "Savings, last 30 days")
        self._chart.show(" Saved by day ", rows.day_bars(self._found).lines)
        _, sums = self._period(self._found)
        self._groups.show(
            rows.group_rows(sums, self._by),
            rows.groups_title(self._by, self._next(), is_month=self._is_month),
            "No results collected this month." if self._is_month else "",
        )

    def action_by(self) -> None:
        """Sum by the next of workflow, model and day."""
        self._by = self._next()
        self._groups.table.show_columns(rows.group_columns(self._by))
        self.show()

    def action_period(self) -> None:
        """Group the answers of this month, or those of 30 days again."""
        self._is_month = not self._is_month
        self.show()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the batches behind a row."""
        message.stop()
        if self._found is None:
            return
        key = str(message.row.key)
        if message.table is self._money.table:
            sum_filter = rows.filter_of_figure(self._found, key)
            name = message.row.cells["figure"].text
        else:
            since_day, _ = self._period(self._found)
            sum_filter, name = SumFilter(self._by, key, since_day), key
        self.app.push_screen(SavingsBatches(self.state, sum_filter, name))  # pyright: ignore[reportUnknownMemberType]

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The groups as `savings --json` prints them, the metrics as `savings --month --json`."""
        found, by = self._found, self._by
        if found is None:
            return None
        if table is self._money.table:
            return lambda _source: [to_builtins(savings.report(found))]
        names = set(keys)
        rows_ = [row for row in self._period(found)[1] if row.name in names]
        return lambda _source: [
            {by: row.name} | to_builtins(savings.spending_report(row)) for row in rows_
        ]

    def _period(self, found: Savings) -> tuple[str, Sequence[Spending]]:
        """The first day of the groups, and their sums."""
        if self._is_month:
            return found.month_day, self._in_month[self._by]
        return found.since_day, found.by[self._by]

    def _next(self) -> str:
        return savings.BY[(savings.BY.index(self._by) + 1) % len(savings.BY)]

    def _read(self, source: Source) -> tuple[Savings, Mapping[str, Sequence[Spending]]]:
        prices = _prices(self.state.folder)
        found = savings.read(source, prices, self.state.now().date())
        return found, savings.sums(source, found.month_day)

    def _take(self, found: tuple[Savings, Mapping[str, Sequence[Spending]]]) -> None:
        self._found, self._in_month = found


def _prices(folder: Folder) -> PriceBook:
    return PriceBook.with_cache(folder, titan_file.read(folder))
