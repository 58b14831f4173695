"""`c`: chooses the columns of the list in use, and remembers them."""

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from titan_console.text.format import Tone
from titan_console.tui.pages.dialog import Dialog
from titan_console.tui.pages.page import Page, list_name
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.tools import current_record
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

# So long a mark may be that of an earlier list.
_REDRAW_S = 0.5
_CHOICES = (Column("name", "Column", 20, 0, grow=1), Column("room", "", 11, 1))
_NO_ROOM, _EMPTY = Cell("◐ no room", Tone.WARN), Cell("(empty now)", Tone.DIM)


def start(page: Page) -> None:
    """Ask which columns to show."""
    table = current_record.list_of(page)
    if table is None:
        current_record.notify(page, "No list to choose columns of.")
    else:
        app_of(page).push_screen(ColumnsDialog(page, table))


class ColumnsDialog(Dialog[None]):
    """Each column with a mark where it is shown; the list behind changes at once."""

    CSS = """
    ColumnsDialog {
        align: center middle; background: $background 40%;
        #columns {
            width: 50; max-width: 96%; height: auto; max-height: 94%; padding: 1 2;
            background: $panel; border: round $primary 60%; border-title-color: $primary;
            border-subtitle-color: $secondary;
        }
        #columns-table { height: auto; max-height: 100%; background: $panel; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "dismiss", "Back", id="columns.back"),
        Binding("0", "reset", "Default columns", id="columns.reset"),
    ]

    def __init__(self, page: Page, table: RecordTable) -> None:
        """`table` is a list of the page."""
        super().__init__()
        self._page = page
        self._list = table
        self._choices = RecordTable(_CHOICES, id="columns-table")

    def compose(self) -> ComposeResult:
        """A list of columns."""
        with Vertical(id="columns") as box:
            box.border_title = " Columns "
            box.border_subtitle = " Space shows or hides · 0 restores defaults "
            yield self._choices

    def on_mount(self) -> None:
        """Mark the columns that are shown."""
        self._choices.show_header = False
        self._draw()
        self._choices.focus()
        self._mark()
        # The list goes on changing behind it.
        self.set_interval(_REDRAW_S, self._draw)

    def on_record_table_selection_changed(self) -> None:
        """Show the marked columns."""
        shown = {c.key: c.key in self._choices.selection for c in self._list.columns}
        if not any(shown.values()):
            self._mark()
            return
        default = {c.key: not c.is_extra for c in self._list.columns}
        self._choose({key: is_on for key, is_on in shown.items() if is_on != default[key]})

    def on_resize(self) -> None:
        """More columns may fit now."""
        self.call_after_refresh(self._draw)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Enter."""
        message.stop()
        self.dismiss()

    def action_reset(self) -> None:
        """Back to the default."""
        self._choose({})
        self._mark()

    def _draw(self) -> None:
        """The names, and which columns have no room or nothing to say now."""
        notes = dict.fromkeys(self._list.columns_without_room(), _NO_ROOM)
        notes |= dict.fromkeys(self._list.empty_columns(), _EMPTY)
        self._choices.show([_choice(c, notes.get(c.key, Cell(""))) for c in self._list.columns])

    def _mark(self) -> None:
        self._choices.selection.clear()
        self._choices.selection.add([column.key for column in self._list.shown_columns()])
        self._choices.rows_changed()

    def _choose(self, choice: Mapping[str, bool]) -> None:
        self._list.choose_columns(choice)
        self._draw()
        self._page.state.preferences.choose(list_name(self._page, self._list), choice)
        self._page.save_preferences()


def _choice(column: Column, note: Cell) -> Row:
    return Row(column.key, {"name": Cell(f" {column.label or column.key}"), "room": note})
