"""The Batches screen: open batches, all others, the latest errors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from state.db.reader import Source
from state.model.filter_terms import Term
from state.model.timestamps import to_text
from state.operations.commands import Action
from state.queries import batch_list, ended_batches
from state.queries.batch_list import BatchMatches
from state.queries.console_snapshot import Snapshot
from state.queries.ended_batches import BatchOrder, EndedBatch
from titan_console.session import batch_outlook, reasons
from titan_console.session.batch_outlook import Outlook
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages import status_lines, targets
from titan_console.tui.pages.list_page import Order, Sort, SplitPage
from titan_console.tui.screens import batch_rows
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Row
from titan_console.tui.widgets.section import Section
from titan_console.tui.widgets.virtual_table import VirtualTable

_NO_MATCH = "No match. Esc clears the filter."


class EndedBatches:
    """The batches that are not open: all, or those that match a filter."""

    def __init__(
        self, state: ConsoleState, terms: Sequence[Term] = (), order: Order | None = None
    ) -> None:
        """In that order; without one, the latest first."""
        self._state = state
        self._terms = terms
        self._order = order or Order(batch_rows.ENDED_SORTS[0])

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids."""
        order, now = BatchOrder(self._order.sort.name), self._state.now()
        inverted = self._order.is_inverted
        return ended_batches.ids(source, self._terms, now, order, is_inverted=inverted)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, EndedBatch]:
        """The batches with these ids."""
        return ended_batches.rows(source, keys)

    def row(self, key: int, record: EndedBatch, now: datetime) -> Row:
        """The row of one batch."""
        del key
        return batch_rows.ended_row(record, now)


class BatchesScreen(SplitPage):
    """Drawn from the snapshot; all ended batches and estimates come from its own queries."""

    NAME = "Batches"
    CSS = """
    BatchesScreen {
        #totals { height: 2; margin: 1 0 0 0; }
        #open { height: auto; max-height: 50%; }
        #errors { height: auto; max-height: 30%; }
        #open-table, #errors-table { height: auto; max-height: 100%; }
        #ended { height: 1fr; }
    }
    BatchesScreen.-empty #open { max-height: 75%; }
    BatchesScreen.-low { #totals { margin: 0; } #errors { max-height: 25%; } }
    BatchesScreen.-flat {
        #totals { height: 1; margin: 0; }
        #open, #ended, #errors { height: 1; max-height: 100%; }
        .-empty { display: none; }
        #open:focus-within, #ended:focus-within, #errors:focus-within { height: 1fr; }
        #open-table, #errors-table { height: 1fr; }
        &.-empty #open { display: block; height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]
    VOCABULARY = Vocabulary(batch_list.FIELDS, batch_list.STATES)
    SORTS = batch_rows.OPEN_SORTS

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._open = Section(
            "No open batches. Submit one: titan-console submit FILE",
            batch_rows.OPEN_COLUMNS,
            id="open",
        )
        self._ended_table = VirtualTable(
            batch_rows.ENDED_COLUMNS,
            EndedBatches(state, order=self.order_of("ended", batch_rows.ENDED_SORTS)),
            state.folder,
            state.clock,
            id="ended-table",
        )
        # New ones appear at its top until the operator moves down.
        self._ended_table.follows_at_top = True
        self._ended = Section("No batch has ended yet.", (), id="ended", table=self._ended_table)
        self._errors = Section("No errors.", batch_rows.ERROR_COLUMNS, id="errors")
        self._is_focused = False
        self._matched: BatchMatches | None = None
        self._reasons: Mapping[str, str] = {}
        self._is_asking = False
        self._answers_of_filter = self.add_query(self._read_matched, self._take_matched)
        self._known_of: frozenset[int] = frozenset()
        self._outlook = Outlook()
        self._answers_of_outlook = self.add_query(self._read_outlook, self._take_outlook)

    def lists(self) -> ComposeResult:
        """Three lists, one above the other."""
        with Vertical():
            yield self._open
            yield self._ended
            yield self._errors

    def on_mount(self) -> None:
        """Focus the open batches, until the first list with rows is known."""
        self._open.table.focus()

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        super().ledger_changed()
        self._ended_table.ledger_changed()

    def tick(self) -> None:
        """Redraw, so that ages are current."""
        super().tick()
        if self.is_current:
            self._ended_table.tick()

    def draw(self, now: datetime) -> None:
        """Fill the three lists."""
        snapshot = self.state.snapshot
        if snapshot is None:
            return
        matched, shown = self._matched_now(), self._shown(snapshot)
        self._ask_of(shown)
        order = self.order_of("open", batch_rows.OPEN_SORTS)
        opened = batch_rows.open_rows(shown, now, self._outlook, order.sort.name)
        if order.is_inverted:
            opened.reverse()
        errors = batch_rows.error_rows(snapshot, now)
        errors_title = status_lines.errors_title(shown)
        if matched is None:
            title, note = status_lines.open_title(shown), ""
            self._begin_ended(snapshot)
        else:
            number, note = matched.open_count, _NO_MATCH
            title = status_lines.counted_title("Open, matching", number, len(opened))
            errors_title = f"{errors_title} · the filter applies to batches only"
        # The guide stands once, in the first list.
        guide = "" if snapshot.totals.batches else self.state.guide(now, self.size.width)
        self._open.show(opened, _titled(title, order, batch_rows.OPEN_SORTS), guide or note)
        self._draw_ended(note)
        self._errors.show(errors, errors_title)
        self._focus_first()

    def _begin_ended(self, snapshot: Snapshot) -> None:
        """Show the latest ended batches before the list of all is read."""
        sorts = batch_rows.ENDED_SORTS
        if not self.filter.terms and self.order_of("ended", sorts) == Order(sorts[0]):
            self._ended_table.begin_with({one.id: EndedBatch(one) for one in snapshot.recent})

    def _draw_ended(self, note: str) -> None:
        number = self._ended_table.row_count
        word = "Ended, matching" if self.filter.terms else "Ended"
        title = f"{word} {number:,}" if self._ended_table.is_loaded and number else word
        order = self.order_of("ended", batch_rows.ENDED_SORTS)
        self._ended.head(
            _titled(title, order, batch_rows.ENDED_SORTS), is_empty=not number, note=note
        )

    def _focus_first(self) -> None:
        """At first, the first list with rows, unless the operator has chosen one."""
        tables = [section.table for section in (self._open, self._ended, self._errors)]
        first = next((table for table in tables if table.row_count), None)
        self.set_class(first is None, "-empty")
        if first is None:
            return
        is_first_time, self._is_focused = not self._is_focused, True
        # In a small terminal empty lists are hidden.
        is_hidden = self.has_class("-flat") and not self._table().row_count
        if (is_first_time and self.focused is tables[0]) or (is_hidden and self._has_list_focus()):
            first.focus()

    def _has_list_focus(self) -> bool:
        return self.focused is None or isinstance(self.focused, RecordTable)

    def _matched_now(self) -> BatchMatches | None:
        return self._matched if self.filter.terms else None

    def _shown(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot, with only the matching open batches."""
        matched = self._matched_now()
        if matched is None:
            return snapshot
        return replace(snapshot, open_batches=matched.open, not_sent=(), reasons=self._reasons)

    def narrow(self) -> None:
        """Query what matches the filter."""
        if self.filter.terms:
            self._is_asking = True
            self._answers_of_filter.ask(self._read_matched)
        else:
            self._matched = None
            self._open.table.measure_again()
        self._list_ended()

    def _list_ended(self) -> None:
        order = self.order_of("ended", batch_rows.ENDED_SORTS)
        self._ended_table.list(EndedBatches(self.state, self.filter.terms, order))

    def sorts(self) -> Sequence[Sort]:
        """How the list in use can be sorted."""
        match self.sorted_list():
            case "ended":
                return batch_rows.ENDED_SORTS
            case "errors":
                return batch_rows.ERROR_SORTS
            case _:
                return batch_rows.OPEN_SORTS

    def sorted_list(self) -> str:
        """The list in use."""
        table = self._table()
        sections = (self._open, self._ended, self._errors)
        return next(str(section.id) for section in sections if section.table is table)

    def sorted_lists(self) -> Sequence[tuple[str, RecordTable, Sequence[Sort]]]:
        """The three lists."""
        return (
            ("open", self._open.table, batch_rows.OPEN_SORTS),
            ("ended", self._ended_table, batch_rows.ENDED_SORTS),
            ("errors", self._errors.table, batch_rows.ERROR_SORTS),
        )

    def reorder(self) -> None:
        """The next redraw sorts open batches."""
        if self._table() is self._ended_table:
            self._list_ended()

    def matches(self) -> int | None:
        """The number of matching batches; without a filter, of listed ones."""
        ended = self._ended_table.row_count
        if not self.filter.terms:
            return self._open.table.row_count + ended
        if self._matched is None or self._is_asking or not self._ended_table.is_loaded:
            return None
        return self._matched.open_count + ended

    def main_table(self) -> RecordTable:
        """The list in use."""
        return self._table()

    def about(self) -> tuple[Part, ...]:
        """The record under the cursor of the list in use."""
        row = self._table().current()
        return (Part(row.about, Tone.DIM),) if row else ()

    def target(self, action: Action) -> Target | None:
        """The selected batches or errors of the list in use, else the row under the cursor."""
        snapshot, table = self.state.snapshot, self._table()
        if snapshot is None:
            return None
        if table is self._errors.table:
            row = table.current()
            name = row.cells["custom_id"].text if row else ""
            return targets.requests(table, name, targets.ACTIONS_OF_ERRORS, action)
        if table is self._ended_table:
            ended = self._ended_table.record_under_cursor()
            return targets.ended_batches(table, ended.batch if ended else None, action)
        shown = self._shown(snapshot)
        listed = (*shown.open_batches, *shown.not_sent)
        return targets.batches(table, {batch.key: batch for batch in listed}, action)

    def workflows(self) -> Collection[str]:
        """That of the row under the cursor."""
        table, snapshot = self._table(), self.state.snapshot
        row = None if table.selection else table.current()
        if row is None or snapshot is None:
            return ()
        if table is not self._errors.table:
            return (row.cells["workflow"].text,)
        return [one.workflow for one in snapshot.errors if str(one.request_id) == row.key]

    def _table(self) -> RecordTable:
        return self.list_in_use() or self._open.table

    def _ask_of(self, shown: Snapshot) -> None:
        """Query the outlook of these open batches."""
        wanted = frozenset(batch.id for batch in (*shown.open_batches, *shown.not_sent))
        if not wanted <= self._known_of:
            self._known_of = wanted
            self._answers_of_outlook.changed()

    def _read_outlook(self, source: Source) -> Outlook:
        snapshot = self.state.snapshot
        if snapshot is None:
            return self._outlook
        shown = self._shown(snapshot)
        listed = (*shown.open_batches, *shown.not_sent)
        return batch_outlook.read(source, listed, self._outlook, self.state.now())

    def _take_outlook(self, outlook: Outlook) -> None:
        self._outlook = outlook

    def _read_matched(self, source: Source) -> tuple[BatchMatches | None, Mapping[str, str]]:
        terms, now = self.filter.terms, self.state.now()
        if not terms:
            return None, {}
        found = batch_list.matching(source, terms, now)
        return found, reasons.of_open(source, found.open, to_text(now))

    def _take_matched(self, answer: tuple[BatchMatches | None, Mapping[str, str]]) -> None:
        self._matched, self._reasons = answer
        if self._is_asking:
            self._open.table.measure_again()
        self._is_asking = False


def _titled(title: str, order: Order, sorts: Sequence[Sort]) -> str:
    return title if order.sort == sorts[0] else f"{title} · {order.sort.label}"
