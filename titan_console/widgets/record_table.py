"""A table of records: its columns fit the width, and its cursor stays on its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from titan_console.format import Tone
from titan_console.safe_text import pad
from titan_console.widgets.columns import Column, fit
from titan_console.widgets.palette import tones_of, without_colours


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its key, its cells by column, and the long line about it."""

    key: str
    cells: Mapping[str, Cell]
    about: str = ""


class RecordTable(DataTable[Text]):
    """Shows rows, and changes no more than what has changed."""

    DEFAULT_CSS = """
    RecordTable {
        background: $background; overflow-x: hidden; height: 1fr; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable; scrollbar-background: $background;
        scrollbar-color: $secondary 45%; scrollbar-color-hover: $secondary;
        scrollbar-background-hover: $background;
        & > .datatable--header { background: $background; color: $secondary; text-style: none; }
        & > .datatable--cursor { background: $background; color: $foreground; text-style: none; }
        & > .datatable--even-row, & > .datatable--odd-row { background: $background; }
        & > .datatable--hover { background: $background; }
        &:focus { background-tint: $foreground 0%; }
        &:focus > .datatable--header { background-tint: $foreground 0%; }
        &:focus > .datatable--cursor {
            background: $primary 22%; color: $foreground; text-style: none;
        }
        &:nocolor:focus > .datatable--cursor { background: $foreground; color: $background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="table.down"),
        Binding("k", "cursor_up", "Up", show=False, id="table.up"),
        Binding("g", "scroll_top", "First", show=False, id="table.first"),
        Binding("G", "scroll_bottom", "Last", show=False, id="table.last"),
        Binding("ctrl+d", "page_down", "Page down", show=False, id="table.page_down"),
        Binding("ctrl+u", "page_up", "Page up", show=False, id="table.page_up"),
    ]

    def __init__(self, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """`columns` in the order in which they stand."""
        super().__init__(id=id, cursor_type="row")
        self._all_columns = columns
        self._fitted: list[tuple[Column, int]] = []
        self._records: list[Row] = []
        self._drawn: list[Row] = []

    def show(self, records: Sequence[Row]) -> None:
        """These rows, from now on."""
        self._records = list(records)
        self._draw()

    def redraw(self) -> None:
        """Draw all of it again: the theme has changed."""
        self._fitted = []
        self._draw()

    def current(self) -> Row | None:
        """The record under the cursor."""
        if 0 <= self.cursor_row < len(self._drawn):
            return self._drawn[self.cursor_row]
        return None

    def on_mount(self) -> None:
        """Without colours the cursor is a bar of its own, and its text is not grey on grey."""
        self.cursor_foreground_priority = "css" if without_colours(self) else "renderable"

    def on_resize(self) -> None:
        """Other columns may fit now."""
        self._draw()

    def _draw(self) -> None:
        if not self.is_attached or not self.size.width:
            return
        fitted = fit(self._all_columns, self.scrollable_content_region.width)
        if fitted != self._fitted:
            self._fitted = fitted
            self._draw_everything()
        elif [row.key for row in self._records] != [row.key for row in self._drawn]:
            self._draw_rows()
        else:
            self._draw_changes()
        self._drawn = self._records

    def _draw_everything(self) -> None:
        row, top = self._place()
        self.clear(columns=True)
        for column, width in self._fitted:
            label = Text(pad(column.label, width, right=column.right), no_wrap=True)
            self.add_column(label, key=column.key, width=width)
        self._add_rows(row, top)

    def _draw_rows(self) -> None:
        row, top = self._place()
        self.clear()
        self._add_rows(row, top)

    def _place(self) -> tuple[int, float]:
        """Where the cursor will stand among the new rows, and where the view begins."""
        current = self.current()
        keys = [row.key for row in self._records]
        if current is not None and current.key in keys:
            row = keys.index(current.key)
            return row, max(0, self.scroll_y + row - self.cursor_row)
        return max(0, min(self.cursor_row, len(keys) - 1)), self.scroll_y

    def _add_rows(self, row: int, top: float) -> None:
        for record in self._records:
            self.add_row(*self._texts(record), key=record.key)
        self.move_cursor(row=row, scroll=False)
        self.scroll_to(y=top, animate=False, immediate=False)

    def _draw_changes(self) -> None:
        for old, new in zip(self._drawn, self._records, strict=True):
            if old.cells == new.cells:
                continue
            for (column, _), text in zip(self._fitted, self._texts(new), strict=True):
                if old.cells.get(column.key) != new.cells.get(column.key):
                    self.update_cell(new.key, column.key, text)

    def _texts(self, record: Row) -> list[Text]:
        styles = tones_of(self)
        made: list[Text] = []
        for column, width in self._fitted:
            cell = record.cells.get(column.key, Cell(""))
            shown = pad(cell.text, width, right=column.right)
            text = Text(shown, no_wrap=True, end="")
            blank = len(shown) - len(shown.lstrip())
            text.stylize(styles[cell.tone], blank, len(shown.rstrip()))
            made.append(text)
        return made
