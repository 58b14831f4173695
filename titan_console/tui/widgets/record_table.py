"""A list of records drawn line by line, as fast for a million rows as for ten."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from titan_console.tui.widgets.row_drawing import PARTS, Column, Row, RowDrawing, RowState
from titan_console.tui.widgets.selection import Key, NameSelection, Selection


class RecordTable(ScrollView, can_focus=True):
    """Shows rows by their keys; the cursor stays on its record when rows come and go.

    The columns fit the width: those that do not find room are left out.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = PARTS
    DEFAULT_CSS = """
    RecordTable {
        background: $background; overflow-x: hidden; overflow-y: auto; height: 1fr;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; scrollbar-background: $background;
        scrollbar-color: $secondary 45%; scrollbar-color-hover: $secondary;
        scrollbar-background-hover: $background;
        & > .record-table--header { color: $secondary; }
        & > .record-table--cursor { color: $foreground; }
        & > .record-table--selected { color: $accent; text-style: bold; }
        & > .record-table--loading { color: $secondary; }
        &:focus > .record-table--cursor { background: $primary 22%; }
        &:nocolor:focus > .record-table--cursor { background: $foreground; color: $background; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, id="list.down"),
        Binding("k,up", "move(-1)", "Up", show=False, id="list.up"),
        Binding("ctrl+d,pagedown", "page(1)", "Page down", show=False, id="list.page_down"),
        Binding("ctrl+u,pageup", "page(-1)", "Page up", show=False, id="list.page_up"),
        Binding("g,home", "first", "First row", show=False, id="list.first"),
        Binding("G,end", "last", "Last row", show=False, id="list.last"),
        Binding("enter", "open", "Open", show=False, id="list.open"),
        Binding("space", "select", "Select", show=False, id="list.select"),
        Binding("v", "select_range", "Select range", show=False, id="list.select_range"),
        Binding("A", "select_all", "Select all matching", show=False, id="list.select_all"),
        Binding("U", "clear_selection", "Clear selection", show=False, id="list.clear_selection"),
    ]

    class Moved(Message):
        """The cursor is on another record, or its text has changed."""

        def __init__(self, table: "RecordTable") -> None:
            """`table` is where."""
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            """Only the latest row counts."""
            return isinstance(message, RecordTable.Moved) and message.table is self.table

    class Opened(Message):
        """A record was opened, with Enter or a second click."""

        def __init__(self, table: "RecordTable", row: Row) -> None:
            """`row` is the record."""
            super().__init__()
            self.table = table
            self.row = row

    class HeaderClicked(Message):
        """The header of a column was clicked."""

        def __init__(self, table: "RecordTable", column: str) -> None:
            """`column` is its key."""
            super().__init__()
            self.table = table
            self.column = column

    class SelectionChanged(Message):
        """The selection has changed."""

    def __init__(self, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002 - Textual's own word
        """`columns` from left to right."""
        super().__init__(id=id)
        self.cursor_row = 0
        # Whether the operator has moved in it, and then to another list.
        self.was_left = False
        self.show_header = True
        self.selection: Selection = NameSelection()
        self._drawing = RowDrawing(self, columns)
        self._keys: Sequence[Key] = ()
        self._rows: dict[Key, Row] = {}
        self._range_from: Key | None = None
        self._unlisted: int | None = None
        # Whether the columns are fitted to rows of this visit.
        self._is_measured = False

    # What is shown

    def show(self, records: Sequence[Row]) -> None:
        """Show these rows; without focus, the cursor stays at the top, or returns to it."""
        self.measure(records)
        before, self._rows = self._rows, {row.key: row for row in records}
        keys = list(self._rows)
        if keys == self._keys:
            self._show_changes(before)
            return
        if self.returns_to_top:
            self.cursor_row = 0
        at_the_top = not self.has_focus and self.cursor_row == 0
        self.show_keys(keys, follow=at_the_top)

    @property
    def returns_to_top(self) -> bool:
        """Whether other rows are shown from the top: else those above would not be noticed."""
        return self.was_left and not self.selection

    def _show_changes(self, before: Mapping[Key, Row]) -> None:
        """Redraw the rows that have changed."""
        changed = {key for key, row in self._rows.items() if row != before.get(key)}
        if not changed:
            return
        self._redraw_differing(changed)
        if self.current_key() in changed:
            self.post_message(self.Moved(self))

    def show_keys(self, keys: Sequence[Key], *, follow: bool = False) -> None:
        """Show the rows with these keys, in this order.

        The cursor stays on its record; to `follow` is to stay on the same line instead.
        """
        held = None if follow else self.current_key()
        line = self.cursor_row - self.scroll_offset.y
        self._keys = keys
        self._unlisted = None
        self._drawing.forget()
        row = index_of(keys, held) if held is not None else None
        self.cursor_row = max(0, min(self.cursor_row, len(keys) - 1)) if row is None else row
        self._resize_to_content()
        if row is not None:
            self.scroll_to(y=max(0, row - line), animate=False, immediate=True)
        self.keep_cursor_in_view()
        self.refresh()
        self.post_message(self.Moved(self))

    def measure(self, rows: Iterable[Row]) -> None:
        """Fit the columns to these rows; those of earlier rows stay, so that none moves."""
        if self._drawing.measure(rows, is_more=self._is_measured):
            self.redraw()
        self._is_measured = True

    def measure_again(self) -> None:
        """The next rows are of another visit or filter: fit the columns to these alone."""
        self._is_measured = False

    def drop_empty_columns(self) -> None:
        """Leave out columns that have long been empty; called twice or more a minute."""
        if self._drawing.drop_empty(self.known_rows()):
            self.redraw()

    def known_rows(self) -> Iterable[Row]:
        """The rows that the columns are fitted to."""
        return self._rows.values()

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Other columns."""
        self._drawing.columns = columns
        self.redraw()

    @property
    def columns(self) -> Sequence[Column]:
        """All columns, shown or not."""
        return self._drawing.columns

    def shown_columns(self) -> Sequence[Column]:
        """The columns to show where there is room and they are not empty."""
        return self._drawing.shown()

    def columns_without_room(self) -> set[str]:
        """The keys of columns that would be shown in a wider terminal."""
        return self._drawing.without_room(self.scrollable_content_region.width)

    def empty_columns(self) -> set[str]:
        """The keys of columns that are left out until they have something to say."""
        return self._drawing.empty(self.scrollable_content_region.width)

    def choose_columns(self, choice: Mapping[str, bool]) -> None:
        """Show or hide these; the others as by default."""
        self._drawing.choice = choice
        self.redraw()

    def show_order(self, column: str, *, is_reversed: bool) -> None:
        """Mark the column that the rows are sorted by; an empty one marks none."""
        order = (column, is_reversed) if column else None
        if order != self._drawing.order:
            self._drawing.order = order
            self.redraw()

    def redraw(self) -> None:
        """Redraw everything: the theme, the width or the columns have changed."""
        self._drawing.forget_all()
        self._resize_to_content()
        self.refresh()

    def rows_changed(self) -> None:
        """The text of rows may have changed, as ages do."""
        self._redraw_differing(set(self.visible_keys()))

    def _redraw_differing(self, changed: Collection[Key]) -> None:
        """Redraw those of these rows whose line in the window is another one now."""
        before, width = self._drawing.forget(), self.scrollable_content_region.width
        for row, key in enumerate(self.visible_keys(), self.scroll_offset.y):
            state = self._row_state(row, key)
            drawn = before.get(state)
            if key not in changed and drawn is not None:
                self._drawing.keep(state, drawn)
            elif drawn is None or drawn != self._drawing.line(state, width, self.row_of):
                self._refresh_row(row)

    @property
    def row_count(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._keys)

    @property
    def keys(self) -> Sequence[Key]:
        """The keys of all rows, in their order."""
        return self._keys

    def current_key(self) -> Key | None:
        """The key under the cursor."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    def current(self) -> Row | None:
        """The record under the cursor; None where there is none, or it is not loaded yet."""
        key = self.current_key()
        return None if key is None else self.row_of(key)

    def row_of(self, key: Key) -> Row | None:
        """The record with that key, if it is loaded."""
        return self._rows.get(key)

    def visible_keys(self, spare: int = 0) -> Sequence[Key]:
        """The keys in the window, and `spare` more on either side."""
        top = max(0, self.scroll_offset.y - spare)
        return self._keys[top : self.scroll_offset.y + self._window() + spare]

    # Moving and selecting

    def move_to(self, row: int) -> None:
        """Move the cursor to that row, or to the nearest."""
        row = max(0, min(row, len(self._keys) - 1))
        if row == self.cursor_row:
            return
        old, self.cursor_row = self.cursor_row, row
        self._refresh_row(old)
        self._refresh_row(row)
        self.keep_cursor_in_view()
        self.post_message(self.Moved(self))

    def keep_cursor_in_view(self) -> None:
        """Scroll only as far as needed."""
        top, window = self.scroll_offset.y, self._window()
        if self.cursor_row < top:
            self.scroll_to(y=self.cursor_row, animate=False, immediate=True)
        elif self.cursor_row >= top + window:
            self.scroll_to(y=self.cursor_row - window + 1, animate=False, immediate=True)

    def action_move(self, lines: int) -> None:
        """Scroll or move by that many lines."""
        self.move_to(self.cursor_row + lines)

    def action_page(self, pages: int) -> None:
        """A window up or down."""
        self.move_to(self.cursor_row + pages * max(1, self._window() - 1))

    def action_first(self) -> None:
        """To the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """To the last row."""
        self.move_to(len(self._keys) - 1)

    def action_open(self) -> None:
        """Open the record under the cursor."""
        row = self.current()
        if row is not None:
            self.post_message(self.Opened(self, row))

    def action_select(self) -> None:
        """Select or deselect the record, and move to the next."""
        key = self.current_key()
        if key is None:
            return
        self._range_from = key
        self.selection.toggle(key)
        self._selection_changed()
        self.action_move(1)

    def action_select_range(self) -> None:
        """Select everything from the last selected record to this one."""
        first = index_of(self._keys, self._range_from) if self._range_from is not None else None
        begin = self.cursor_row if first is None else first
        low, high = sorted((begin, self.cursor_row))
        self.selection.add(self._keys[low : high + 1])
        self._selection_changed()

    def action_select_all(self) -> None:
        """Select all rows of the list, visible or not."""
        self.selection.add(self._keys)
        self._selection_changed()

    def action_clear_selection(self) -> None:
        """Deselect all."""
        self.selection.clear()
        self._selection_changed()

    def target_keys(self) -> Sequence[Key]:
        """The keys that a command applies to: the selected ones, else the one under the cursor.

        In the order of the list; selected ones that are no longer in it come last.
        """
        if self.selection:
            return self.selection.chosen(self._keys)
        key = self.current_key()
        return () if key is None else (key,)

    def unlisted_selected(self) -> int:
        """How many selected ones are not in the list."""
        if self._unlisted is None:
            self._unlisted = (
                len(self.selection) - self.selection.among(self._keys) if self.selection else 0
            )
        return self._unlisted

    def _selection_changed(self) -> None:
        self._unlisted = None
        self._drawing.forget()
        self.refresh()
        self.post_message(self.SelectionChanged())

    # Drawing

    def on_resize(self) -> None:
        """Other columns may fit now."""
        self.redraw()
        self.keep_cursor_in_view()

    def render_line(self, y: int) -> Strip:
        """One line of the window; the first is the header."""
        width = self.scrollable_content_region.width
        header = self._header_lines()
        if y < header:
            return self._drawing.header(width)
        row = y - header + self.scroll_offset.y
        if row >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        return self._drawing.line(self._row_state(row, self._keys[row]), width, self.row_of)

    def _row_state(self, row: int, key: Key) -> RowState:
        has_cursor = row == self.cursor_row
        return RowState(
            key,
            cursor=has_cursor,
            selected=key in self.selection,
            focused=has_cursor and self.has_focus,
        )

    def _refresh_row(self, row: int) -> None:
        y = row - self.scroll_offset.y + self._header_lines()
        self.refresh(Region(0, y, self.size.width, 1))

    def _header_lines(self) -> int:
        return 1 if self.show_header else 0

    def _window(self) -> int:
        return max(1, self.scrollable_content_region.height - self._header_lines())

    def _resize_to_content(self) -> None:
        width = self.scrollable_content_region.width
        size = Size(width, len(self._keys) + self._header_lines())
        if self.styles.is_auto_height and size.height != self.virtual_size.height:
            self.refresh(layout=True)
        self.virtual_size = size

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All rows, where the height follows them."""
        del container, viewport, width
        return len(self._keys) + self._header_lines()

    # The mouse

    def on_click(self, event: Click) -> None:
        """Move the cursor there; a second click opens the record; one on the header sorts."""
        if event.y < self._header_lines():
            column = self._drawing.column_at(event.x, self.scrollable_content_region.width)
            if column is not None:
                self.post_message(self.HeaderClicked(self, column))
            return
        row = event.y - self._header_lines() + self.scroll_offset.y
        if row >= len(self._keys):
            return
        if row == self.cursor_row and event.chain > 1:
            self.action_open()
        else:
            self.move_to(row)


def index_of(keys: Sequence[Key], key: Key) -> int | None:
    """The index of that key, or None."""
    try:
        return keys.index(key)
    except ValueError:
        return None
