"""The Batches screen: open batches, the latest ended ones, the latest errors."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from state.db.reader import Source
from state.model.records import Batch
from state.model.timestamps import to_text
from state.operations import deadlines
from state.operations.commands import Action
from state.queries import batch_list
from state.queries.batch_list import BatchMatches
from state.queries.console_snapshot import Snapshot
from titan_console.session import reasons
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages import status_lines, targets
from titan_console.tui.pages.list_page import Sort, SplitPage
from titan_console.tui.screens import batch_rows
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.section import Section


class BatchesScreen(SplitPage):
    """Drawn from the snapshot; filter matches and estimates come from its own queries."""

    NAME = "Batches"
    CSS = """
    BatchesScreen {
        #open { height: 5fr; }
        #recent { height: 3fr; }
        #errors { height: 3fr; }
        #open.-empty, #recent.-empty, #errors.-empty { height: 3; }
    }
    BatchesScreen.-flat {
        #open, #recent, #errors { height: 1; }
        #open.-empty, #recent.-empty, #errors.-empty { height: 1; }
        #open:focus-within, #recent:focus-within, #errors:focus-within { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]
    VOCABULARY = Vocabulary(batch_list.FIELDS, batch_list.STATES)
    SORTS = tuple(
        Sort(letter, name, batch_rows.OPEN_SORTS[name])
        for letter, name in (("a", "age"), ("r", "risk"), ("d", "deadline"), ("n", "requests"))
    )
    SORTS_WHAT = "Sort open batches"

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._open = Section(
            "No open batches. Submit one: titan-console submit FILE",
            batch_rows.OPEN_COLUMNS,
            id="open",
        )
        self._recent = Section("No batch has ended yet.", batch_rows.RECENT_COLUMNS, id="recent")
        self._errors = Section("No errors.", batch_rows.ERROR_COLUMNS, id="errors")
        self._matched: BatchMatches | None = None
        self._reasons: Mapping[str, str] = {}
        self._is_asking = False
        self._answers_of_filter = self.add_query(self._read_matched, self._take_matched)
        self._workflows: frozenset[str] = frozenset()
        self._histories: Mapping[str, Sequence[float]] = {}
        self._answers_of_history = self.add_query(self._read_histories, self._take_histories)

    def lists(self) -> ComposeResult:
        """Three lists, one above the other."""
        with Vertical():
            yield self._open
            yield self._recent
            yield self._errors

    def on_mount(self) -> None:
        """Focus the open batches."""
        self._open.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the three lists."""
        snapshot = self.state.snapshot
        if snapshot is None:
            return
        self._ask_of({batch.workflow for batch in self._listed(snapshot)})
        matched, shown = self._matched_now(), self._shown(snapshot)
        opened = batch_rows.open_rows(shown, now, self._histories, self.sort.name)
        if self.is_inverted:
            opened.reverse()
        recent, errors = batch_rows.recent_rows(shown, now), batch_rows.error_rows(snapshot, now)
        if matched is None:
            self._open.show(opened, _title(status_lines.open_title(shown), self.sort.name))
            self._recent.show(recent, status_lines.recent_title(shown))
            self._errors.show(errors, status_lines.errors_title(shown))
            return
        none = "No match. Esc clears the filter."
        self._open.show(
            opened,
            status_lines.counted_title("Open matching", matched.open_count, len(opened)),
            none,
        )
        self._recent.show(
            recent,
            status_lines.counted_title("Others matching", matched.others_count, len(recent)),
            none,
        )
        self._errors.show(
            errors, f"{status_lines.errors_title(shown)} · the filter applies to batches only"
        )

    def _matched_now(self) -> BatchMatches | None:
        return self._matched if self.filter.terms else None

    def _shown(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot, with only the matching batches."""
        matched = self._matched_now()
        if matched is None:
            return snapshot
        return replace(
            snapshot,
            open_batches=matched.open,
            not_sent=(),
            recent=matched.others,
            reasons=self._reasons,
        )

    def narrow(self) -> None:
        """Query what matches the filter."""
        if self.filter.terms:
            self._is_asking = True
            self._answers_of_filter.ask(self._read_matched)
        else:
            self._matched = None

    def reorder(self) -> None:
        """The next redraw sorts."""

    def matches(self) -> int | None:
        """The number of matching batches; without a filter, of listed ones."""
        if not self.filter.terms:
            return self._open.table.row_count + self._recent.table.row_count
        if self._matched is None or self._is_asking:
            return None
        return self._matched.open_count + self._matched.others_count

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
        shown = self._shown(snapshot)
        listed = (*shown.open_batches, *shown.not_sent, *shown.recent)
        return targets.batches(table, {batch.key: batch for batch in listed}, action)

    def _table(self) -> RecordTable:
        return self.list_in_use() or self._open.table

    def _listed(self, snapshot: Snapshot) -> tuple[Batch, ...]:
        return (*snapshot.open_batches, *snapshot.not_sent)

    def _ask_of(self, workflows: set[str]) -> None:
        """Query the earlier turnarounds of these workflows."""
        if not workflows <= self._workflows:
            self._workflows = frozenset(workflows)
            self._answers_of_history.changed()

    def _read_histories(self, source: Source) -> Mapping[str, Sequence[float]]:
        return deadlines.turnarounds_of(source, self._workflows)

    def _read_matched(self, source: Source) -> tuple[BatchMatches | None, Mapping[str, str]]:
        terms, now = self.filter.terms, self.state.now()
        if not terms:
            return None, {}
        found = batch_list.matching(source, terms, now)
        return found, reasons.of_open(source, found.open, to_text(now))

    def _take_matched(self, answer: tuple[BatchMatches | None, Mapping[str, str]]) -> None:
        self._matched, self._reasons = answer
        self._is_asking = False

    def _take_histories(self, histories: Mapping[str, Sequence[float]]) -> None:
        self._histories = histories


def _title(title: str, sort: str) -> str:
    return title if sort == "age" else f"{title} · {batch_rows.OPEN_SORTS[sort]}"
