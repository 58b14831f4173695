"""Pages of lists: narrowed with `/`, sorted with `s`, with a pane beside them where it fits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from core.text import pluralize
from state.queries import filter_values
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker
from titan_console.text.filters import Filter, Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.page import Page
from titan_console.tui.pages.query_page import QueryPage
from titan_console.tui.widgets.detail_pane import DetailPane
from titan_console.tui.widgets.filter_line import FilterLine
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.virtual_table import VirtualTable

if TYPE_CHECKING:
    from textual.timer import Timer


# Longer than the gap between typed keys, too short to be noticed.
_DEBOUNCE_S = 0.12


class Sort(Struct, frozen=True):
    """A sort order: its letter in the menu, its name, its label, and the column it sorts."""

    letter: str
    name: str
    label: str
    column: str = ""


class Order(Struct, frozen=True):
    """The order of a list."""

    sort: Sort
    is_inverted: bool = False


class FilteredPage(QueryPage):
    """Holds the filter and the sort; subclasses query their lists in `narrow`.

    Its `content` ends with `self.filter_line`.
    """

    VOCABULARY: ClassVar[Vocabulary]
    # The first is the default.
    SORTS: ClassVar[Sequence[Sort]]
    SORTS_WHAT: ClassVar[str] = "Sort by"
    TOOLS = Page.TOOLS | {"saved_filters"}
    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority, so that the next key already goes to the opened line.
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="list.filter"),
        Binding("s", "sort", "Sort", priority=True, id="list.sort"),
        Binding("i", "invert", "Reverse order", show=False, id="list.invert"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self.filter_line = FilterLine(self.VOCABULARY)
        self.filter = Filter()
        self.filter_text = ""
        # What the page was opened with, and Esc returns to.
        self.own_filter = ""
        self._orders: dict[str, Order] = {}
        self._text_before = ""
        self._waiting: Timer | None = None
        self._filter_worker = QueryWorker(state.folder)
        self._known = LiveQuery(
            self._filter_worker,
            filter_values.known_values,
            self.filter_line.learn,
            self.show_problem,
            self._start,
        )

    # Subclasses define

    def narrow(self) -> None:
        """Query what matches the filter, in the sort order.

        The columns are fitted anew (`measure_again`) when these rows are there, not before.
        """
        raise NotImplementedError

    def reorder(self) -> None:
        """Show the same rows in the sort order."""
        self.narrow()

    def matches(self) -> int | None:
        """The number of matching rows; None while it is being counted."""
        raise NotImplementedError

    def main_table(self) -> RecordTable:
        """The list that gets the focus by default."""
        raise NotImplementedError

    def sorts(self) -> Sequence[Sort]:
        """How the list in use can be sorted."""
        return self.SORTS

    def sorted_list(self) -> str:
        """The name of the list in use, on a page whose lists have an order each."""
        return ""

    def sorted_lists(self) -> Sequence[tuple[str, RecordTable, Sequence[Sort]]]:
        """The lists by name, and how each can be sorted."""
        return ((self.sorted_list(), self.main_table(), self.sorts()),)

    def on_mount(self) -> None:
        """Mark the remembered orders."""
        for name, table, sorts in self.sorted_lists():
            self.mark_order(table, self.order_of(name, sorts), sorts)

    # The filter

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys typed into an input are text."""
        if action in ("filter", "sort") and isinstance(self.focused, Input):
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Open the filter line."""
        self._text_before = self.filter_text
        self.filter_line.open(self.filter_text)
        self._known.changed()

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        """Apply the filter after a short delay; while it has mistakes, the former one."""
        self._stop_waiting()
        if message.is_done:
            self._close_filter()
            self.set_filter(message.text)
        elif self.filter_line.is_open:
            text = self._text_before if message.filter.mistakes else message.text
            self._waiting = self.set_timer(_DEBOUNCE_S, lambda: self.set_filter(text))

    def set_filter(self, text: str) -> None:
        """Apply this filter."""
        found = self.filter_line.read(text)
        self.filter_text = text.strip()
        if found.terms != self.filter.terms:
            self.filter = found
            self.narrow()
        self.show()

    def step_back(self) -> bool:
        """Close the input, then clear the filter, then the selection."""
        if self.filter_line.is_open:
            self._stop_waiting()
            self._close_filter()
            self.set_filter(self._text_before)
            return True
        if self.filter_text != self.own_filter:
            self.set_filter(self.own_filter)
            return True
        return super().step_back()

    def on_unmount(self) -> None:
        """Close the ledger."""
        self._filter_worker.close()

    def _close_filter(self) -> None:
        self.filter_line.close()
        self.main_table().focus()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    # The order

    @property
    def order(self) -> Order:
        """The order of the list in use."""
        return self.order_of(self.sorted_list(), self.sorts())

    def order_of(self, name: str, sorts: Sequence[Sort]) -> Order:
        """The order of a list; at first the remembered one, else the first of its `sorts`."""
        return self._orders.get(name) or self._remembered(name, sorts)

    def _remembered(self, name: str, sorts: Sequence[Sort]) -> Order:
        wanted, is_inverted = self.state.preferences.order_of(self._order_name(name))
        sort = next((sort for sort in sorts if sort.name == wanted), None)
        return Order(sort, is_inverted) if sort else Order(sorts[0])

    def _order_name(self, name: str) -> str:
        """The name of a list in the preferences, such as `batches.open`."""
        return f"{self.NAME.lower()}.{name}".rstrip(".")

    def mark_order(self, table: RecordTable, order: Order, sorts: Sequence[Sort]) -> None:
        """Mark the column that the list is sorted by, unless it has its default order."""
        is_default = order == Order(sorts[0])
        table.show_order("" if is_default else order.sort.column, is_reversed=order.is_inverted)

    @property
    def sort(self) -> Sort:
        """What the list in use is sorted by."""
        return self.order.sort

    @property
    def is_inverted(self) -> bool:
        """Whether that order is reversed."""
        return self.order.is_inverted

    def action_sort(self) -> None:
        """Choose what to sort by."""
        entries = [
            Entry(sort.letter, sort.label, "current" if sort == self.sort else "")
            for sort in self.sorts()
        ]
        menu = Menu(self.SORTS_WHAT, entries, start=self.sorts().index(self.sort))
        self.app.push_screen(menu, self._take_sort)  # pyright: ignore[reportUnknownMemberType]

    def action_invert(self) -> None:
        """Reverse the order."""
        self.set_sort(self.sort, is_inverted=not self.is_inverted)

    def set_sort(self, sort: Sort, *, is_inverted: bool = False) -> None:
        """Apply that order."""
        order = Order(sort, is_inverted)
        if order != self.order:
            self._orders[self.sorted_list()] = order
            self.mark_order(self.main_table(), order, self.sorts())
            self._remember(order)
            self.reorder()
            self.show()

    def _remember(self, order: Order) -> None:
        """Only the order of a named list: the requests of a group are another list each time."""
        if self.NAME:
            is_default = order == Order(self.sorts()[0])
            name = "" if is_default else order.sort.name
            self.state.preferences.sort(
                self._order_name(self.sorted_list()), name, is_reversed=order.is_inverted
            )
            self.save_preferences()

    def on_record_table_header_clicked(self, message: RecordTable.HeaderClicked) -> None:
        """Sort by the column; the same one again reverses the order."""
        if message.table is not self.main_table():
            return
        sort = next((sort for sort in self.sorts() if sort.column == message.column), None)
        if sort is None:
            self.notify("This list cannot be sorted by that column.", timeout=3)
        else:
            self.set_sort(sort, is_inverted=sort == self.sort and not self.is_inverted)

    def _take_sort(self, letter: str | None) -> None:
        for sort in self.sorts():
            if sort.letter == letter:
                self.set_sort(sort)

    def follow_newest(self, table: VirtualTable[Any]) -> None:
        """Sort by newest first and follow new rows; where it does already, stop following."""
        follows = table.is_following and self.order == Order(self.sorts()[0])
        self.set_sort(self.sorts()[0])
        if follows:
            table.stop_following()
        else:
            table.follow()
        self.show()

    # The status line

    def about(self) -> tuple[Part, ...]:
        """The row under the cursor, or why there is none."""
        if self.filter_text and self.matches() == 0:
            return (Part("No match. Esc clears the filter.", Tone.WARN),)
        return super().about()

    def badges(self) -> tuple[Part, ...]:
        """The filter with its count, and an order other than the default."""
        return (*self._filter_badge(), *self._sort_badge(), *super().badges())

    def _filter_badge(self) -> tuple[Part, ...]:
        if not self.filter_text:
            return ()
        found = self.matches()
        found = "counting" if found is None else pluralize(found, "match", "matches")
        return (Part(f"  ▽ {self.filter_text}", Tone.BUSY, strong=True), Part(f"  {found}"))

    def _sort_badge(self) -> tuple[Part, ...]:
        if self.order == Order(self.sorts()[0]):
            return ()
        turned = ", reversed" if self.is_inverted else ""
        busy = "…" if self.matches() is None else ""
        return (Part(f"  ⇅ {self.sort.label}{turned}{busy}", Tone.BUSY),)


_NONE, _NORMAL, _LARGE = range(3)


class SplitPage(FilteredPage):
    """Shows the record under the cursor in a pane beside `lists`."""

    TOOLS = FilteredPage.TOOLS | {"view", "compare"}
    DEFAULT_CSS = """
    SplitPage.-wide DetailPane { display: block; }
    SplitPage.-no-pane DetailPane { display: none; }
    SplitPage.-large-pane DetailPane { width: 2fr; max-width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "toggle_pane", "Toggle detail pane", show=False, id="list.toggle_pane"),
        Binding("plus", "pane(1)", "Larger pane", show=False, id="list.pane_larger"),
        Binding("underscore", "pane(-1)", "Smaller pane", show=False, id="list.pane_smaller"),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._detail_pane = DetailPane(state)
        self._pane = _NORMAL

    def lists(self) -> ComposeResult:
        """The lists, in one widget."""
        raise NotImplementedError

    def content(self) -> ComposeResult:
        """The lists, the pane beside them, the filter below."""
        with Horizontal(classes="content"):
            yield from self.lists()
            yield self._detail_pane
        yield self.filter_line

    def action_toggle_pane(self) -> None:
        """Hide or show the pane."""
        self._set_pane(_NORMAL if self._pane == _NONE else _NONE)

    def action_pane(self, step: int) -> None:
        """Hidden, normal or large."""
        self._set_pane(max(_NONE, min(self._pane + step, _LARGE)))

    def _set_pane(self, pane: int) -> None:
        self._pane = pane
        self.set_class(pane == _NONE, "-no-pane")
        self.set_class(pane == _LARGE, "-large-pane")
        self.call_after_refresh(self.show_about)

    def show_about(self) -> None:
        """Show the record under the cursor, in the pane too."""
        super().show_about()
        self._detail_pane.follow(self.list_in_use() or self.main_table())

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        super().ledger_changed()
        self._detail_pane.ledger_changed()

    def redraw(self) -> None:
        """Redraw everything in the current theme."""
        super().redraw()
        self._detail_pane.redraw()
