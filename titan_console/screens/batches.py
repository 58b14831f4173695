"""The first screen: open batches, what ended last, the latest errors."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from state import deadlines
from state.commands import Verb
from state.console_views import Snapshot
from state.reader import Source
from state.records import Batch
from titan_console.choice import Choice
from titan_console.format import Tone
from titan_console.screens import bars, choices, rows
from titan_console.screens.asking import AskingPage
from titan_console.screens.menu import Entry, Menu
from titan_console.view import View
from titan_console.widgets.lines import Part
from titan_console.widgets.record_table import RecordTable
from titan_console.widgets.section import Section

_SORTS = {"a": "age", "r": "risk", "d": "due", "n": "requests"}


class BatchesScreen(AskingPage):
    """Drawn from the picture that the feed brings; estimates follow from a question of its own."""

    WORD = "Batches"
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
        Binding("s", "sort", "Sort", id="batches.sort"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._open = Section(
            "Nothing is open. To open a batch: titan-console submit FILE",
            rows.OPEN_COLUMNS,
            id="open",
        )
        self._recent = Section("No batch has ended yet.", rows.RECENT_COLUMNS, id="recent")
        self._errors = Section("No errors: all is well.", rows.ERROR_COLUMNS, id="errors")

        self._sort = "age"
        self._workflows: frozenset[str] = frozenset()
        self._histories: Mapping[str, Sequence[float]] = {}
        self._answers_of_history = self.keep_answered(self._read_histories, self._take_histories)

    def content(self) -> ComposeResult:
        """Three lists, one above the other."""
        with Vertical(classes="content"):
            yield self._open
            yield self._recent
            yield self._errors

    def on_mount(self) -> None:
        """Begin on the open batches."""
        self._open.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill the three lists."""
        snapshot = self.view.snapshot
        if snapshot is None:
            return
        self._ask_of({batch.workflow for batch in self._listed(snapshot)})
        self._open.show(
            rows.open_rows(snapshot, now, self._histories, self._sort),
            _title(bars.open_title(snapshot), self._sort),
        )
        self._recent.show(rows.recent_rows(snapshot, now), bars.recent_title(snapshot))
        self._errors.show(rows.error_rows(snapshot, now), bars.errors_title(snapshot))

    def about(self) -> tuple[Part, ...]:
        """The record under the cursor of the list in use."""
        row = self._table().current()
        return (Part(row.about, Tone.DIM),) if row else ()

    def choice(self, verb: Verb) -> Choice | None:
        """The marked batches or errors of the list in use, else the row under the cursor."""
        snapshot, table = self.view.snapshot, self._table()
        if snapshot is None:
            return None
        if table is self._errors.table:
            row = table.current()
            name = row.cells["custom_id"].text if row else ""
            return choices.requests(table, name, choices.VERBS_OF_ERRORS, verb)
        listed = (*snapshot.open_batches, *snapshot.waiting_for_retry, *snapshot.recent)
        return choices.batches(table, {batch.key: batch for batch in listed}, verb)

    def _table(self) -> RecordTable:
        return self.list_in_use() or self._open.table

    def action_sort(self) -> None:
        """Offer the orders of the open batches."""
        entries = [
            Entry(letter, rows.OPEN_SORTS[name], "shown now" if name == self._sort else "")
            for letter, name in _SORTS.items()
        ]
        self.app.push_screen(Menu("Sort open batches", entries), self._sort_by)  # pyright: ignore[reportUnknownMemberType]

    def _sort_by(self, letter: str | None) -> None:
        if letter is not None:
            self._sort = _SORTS[letter]
            self.show()

    def _listed(self, snapshot: Snapshot) -> tuple[Batch, ...]:
        return (*snapshot.open_batches, *snapshot.waiting_for_retry)

    def _ask_of(self, workflows: set[str]) -> None:
        """Learn what batches of these workflows took before."""
        if not workflows <= self._workflows:
            self._workflows = frozenset(workflows)
            self._answers_of_history.changed()

    def _read_histories(self, source: Source) -> Mapping[str, Sequence[float]]:
        return deadlines.turnarounds_of(source, self._workflows)

    def _take_histories(self, histories: Mapping[str, Sequence[float]]) -> None:
        self._histories = histories


def _title(title: str, sort: str) -> str:
    return title if sort == "age" else f"{title} · {rows.OPEN_SORTS[sort]}"
