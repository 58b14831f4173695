"""What the batches save: by day, workflow and model, and what the month will be."""

from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.config import titan_file
from core.money.pricing import PriceBook
from core.reporting import savings
from core.reporting.savings import Savings
from state.db.reader import Source
from state.files.folder import Folder
from state.queries.savings_views import Behind
from titan_console.session.console_state import View
from titan_console.tui.screens import savings_rows as rows
from titan_console.tui.screens.query_page import AskingPage
from titan_console.tui.screens.spending import BatchesBehind
from titan_console.tui.widgets.chart import Picture
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.section import Section


class SavingsScreen(AskingPage):
    """Figures, a picture and sums; each opens to the batches, answers and prices behind it."""

    WORD = "Savings"
    CSS = """
    SavingsScreen {
        #money { height: 7; }
        #by-day { height: 3fr; }
        #groups { height: 4fr; }
    }
    SavingsScreen.-flat {
        #by-day { display: none; }
        #money, #groups { height: 1; }
        #money:focus-within, #groups:focus-within { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "by", "By", id="savings.by"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._by = savings.BY[0]
        self._found: Savings | None = None
        self._money = Section("Adding up.", rows.FIGURE_COLUMNS, id="money")
        self._picture = Picture(id="by-day")
        self._groups = Section(
            "Nothing was collected in these 30 days.", rows.group_columns(self._by), id="groups"
        )
        self.keep_answered(self._read, self._take)

    def content(self) -> ComposeResult:
        """Sums above, the picture, and the groups."""
        with Vertical(classes="content"):
            yield self._money
            yield self._picture
            yield self._groups

    def on_mount(self) -> None:
        """Begin on the sums."""
        self._picture.border_title = " Saved by day "
        self._money.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the lists from the last answer."""
        del now
        if self._found is None:
            return
        self._money.show(rows.figure_rows(self._found), "Savings of 30 days")
        self._picture.painter = rows.day_bars(self._found).lines
        self._groups.show(
            rows.group_rows(self._found.by[self._by], self._by),
            f"By {self._by} · b: by {self._next()}",
        )

    def action_by(self) -> None:
        """Sum by the next of workflow, model and day."""
        self._by = self._next()
        self._groups.table.show_columns(rows.group_columns(self._by))
        self.show()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Show the batches behind a figure."""
        message.stop()
        if self._found is None:
            return
        key = str(message.row.key)
        if message.table is self._money.table:
            behind = rows.behind_figure(self._found, key)
            word = message.row.cells["figure"].text
        else:
            behind, word = Behind(self._by, key, self._found.since_day), key
        self.app.push_screen(BatchesBehind(self.view, behind, word))  # pyright: ignore[reportUnknownMemberType]

    def _next(self) -> str:
        return savings.BY[(savings.BY.index(self._by) + 1) % len(savings.BY)]

    def _read(self, source: Source) -> Savings:
        prices = _prices(self.view.path)
        return savings.read(source, prices, self.view.now().date())

    def _take(self, found: Savings) -> None:
        self._found = found


def _prices(ledger: Path) -> PriceBook:
    return PriceBook(titan_file.read(Folder(ledger.parent)).prices)
