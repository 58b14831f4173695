"""What lies behind a sum of money: its batches, and of each the answers."""

from datetime import datetime

from textual.app import ComposeResult

from state.db.reader import Source
from state.queries import savings_views
from state.queries.savings_views import MOST_LISTED, AnswerSum, BatchSum, Behind
from titan_console.session.console_state import View
from titan_console.tui.screens import savings_rows as rows
from titan_console.tui.screens.query_page import AskingPage
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.section import Section


class BatchesBehind(AskingPage):
    """The batches of a sum; Enter leads to the answers of one that are in it."""

    def __init__(self, view: View, behind: Behind, word: str) -> None:
        """`word` is the name of the sum, for the crumbs."""
        super().__init__(view)
        self._behind = behind
        self._word = word
        self._found: list[BatchSum] | None = None
        self._list = Section("Nothing is in this sum.", rows.BATCH_COLUMNS, id="behind")
        self._list.add_class("content")
        self.keep_answered(self._read, self._take)

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def crumb(self) -> str:
        """The sum's name."""
        return self._word

    def on_mount(self) -> None:
        """Begin on the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        if self._found is not None:
            title = rows.batches_title(self._found)
            self._list.show(rows.batch_rows(self._found, now), title)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Show the answers of that batch."""
        message.stop()
        page = AnswersBehind(self.view, self._behind, str(message.row.key))
        self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]

    def _read(self, source: Source) -> list[BatchSum]:
        return savings_views.batches_behind(source, self._behind)

    def _take(self, found: list[BatchSum]) -> None:
        self._found = found


class AnswersBehind(AskingPage):
    """The answers of one batch that are in a sum; Enter leads to the request and its price."""

    def __init__(self, view: View, behind: Behind, batch_key: str) -> None:
        """`behind` is the sum."""
        super().__init__(view)
        self._behind = behind
        self._key = batch_key
        self._found: list[AnswerSum] | None = None
        self._list = Section("Nothing is in this sum.", rows.ANSWER_COLUMNS, id="answers")
        self._list.add_class("content")
        self.keep_answered(self._read, self._take)

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def crumb(self) -> str:
        """The batch."""
        return self._key

    def on_mount(self) -> None:
        """Begin on the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        del now
        if self._found is not None:
            number = len(self._found)
            more = f", the first {MOST_LISTED:,}" if number == MOST_LISTED else ""
            title = f"{number:,} answers of {self._key}{more} · enter: the price of one"
            self._list.show(rows.answer_rows(self._found), title)

    def _read(self, source: Source) -> list[AnswerSum]:
        return savings_views.answers_behind(source, self._behind, self._key)

    def _take(self, found: list[AnswerSum]) -> None:
        self._found = found
